"""Where the chat is kept: one SQL text, two engines, migrations, pages, batches and files."""
