-- An app may name a change (X-Twilio-Mutation-Id), so that it happens once however often the request comes.
--
-- The row is written in the change's own transaction: it is there exactly when the change is. `id` is a digest of the
-- name and of what it was given to; `subject` is the SID of what was made.

CREATE TABLE mutations (
    "user" BIGINT NOT NULL,
    id TEXT NOT NULL,
    subject TEXT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY ("user", id)
);
CREATE INDEX mutations_expired ON mutations (expires);
