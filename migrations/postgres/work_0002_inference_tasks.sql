-- Calls that are answered later, if need be after a restart.

CREATE TABLE inference_tasks (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    owner_id TEXT COLLATE "C" NOT NULL,
    llm TEXT COLLATE "C",
    pool TEXT COLLATE "C",
    path TEXT COLLATE "C" NOT NULL,
    request TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL
        CHECK (status IN ('pending', 'claimed', 'running', 'completed', 'error', 'cancelled')),
    attempts BIGINT NOT NULL,
    answered_by TEXT COLLATE "C",
    error TEXT COLLATE "C",
    code TEXT COLLATE "C",
    answer_status BIGINT,
    content_type TEXT COLLATE "C",
    answer TEXT COLLATE "C",
    created_at TIMESTAMPTZ NOT NULL,
    claimed_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ,
    -- A client's own key, so that what it repeats is not done twice.
    idempotency_key TEXT COLLATE "C",
    request_hash TEXT COLLATE "C",
    CHECK ((llm IS NULL) <> (pool IS NULL))
);
CREATE UNIQUE INDEX inference_tasks_by_key ON inference_tasks (owner_id, idempotency_key);
CREATE INDEX inference_tasks_by_owner ON inference_tasks (owner_id, id);
CREATE INDEX inference_tasks_pending ON inference_tasks (id) WHERE status = 'pending';
CREATE INDEX inference_tasks_finished ON inference_tasks (finished_at) WHERE finished_at IS NOT NULL;
