-- Starts of servers, and which of them is at work on what is pending: what one of them left behind is ended by another.
CREATE TABLE boots (
    boot_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    node TEXT COLLATE "C" NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL
);
ALTER TABLE messages ADD COLUMN boot_id TEXT COLLATE "C";
ALTER TABLE inference_tasks ADD COLUMN boot_id TEXT COLLATE "C";
