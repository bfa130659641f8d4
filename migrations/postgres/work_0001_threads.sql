-- Chat threads. Nobody can rebuild these.

CREATE TABLE threads (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    owner_id TEXT COLLATE "C" NOT NULL,
    agent_id TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_turn_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX threads_by_agent ON threads (agent_id, owner_id, last_turn_at, id);

CREATE TABLE messages (
    thread_id TEXT COLLATE "C" NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    turn_index BIGINT NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "und-x-icu",
    tool_calls TEXT COLLATE "C",
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('pending', 'complete', 'error')),
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (thread_id, turn_index)
);
CREATE INDEX messages_pending ON messages (thread_id) WHERE status = 'pending';
