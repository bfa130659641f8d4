-- Chat threads. Nobody can rebuild these: every commit is synced.

CREATE TABLE threads (
    id           TEXT NOT NULL PRIMARY KEY,
    owner_id     TEXT NOT NULL,
    agent_id     TEXT NOT NULL,
    title        TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    last_turn_at TEXT NOT NULL
) STRICT;
CREATE INDEX threads_by_agent ON threads (agent_id, owner_id, last_turn_at, id);

CREATE TABLE messages (
    thread_id  TEXT    NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    turn_index INTEGER NOT NULL,
    role       TEXT    NOT NULL,
    content    TEXT,
    tool_calls TEXT,
    status     TEXT    NOT NULL CHECK (status IN ('pending', 'complete', 'error')),
    created_at TEXT    NOT NULL,
    PRIMARY KEY (thread_id, turn_index)
) STRICT;
CREATE INDEX messages_pending ON messages (thread_id) WHERE status = 'pending';
