-- Starts of servers, and which of them is at work on what is pending: what one of them left behind is ended by another.
CREATE TABLE boots (
    boot_id TEXT NOT NULL PRIMARY KEY,
    node    TEXT NOT NULL,
    seen_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
ALTER TABLE messages ADD COLUMN boot_id TEXT;
ALTER TABLE inference_tasks ADD COLUMN boot_id TEXT;
