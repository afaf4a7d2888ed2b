"""Pure helpers that every other room may use: ids, clock, errors, paging, signed tokens, redaction."""
