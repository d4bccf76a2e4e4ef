"""The written documentation and what makes its generated pages."""
