-- Calls that are answered later, if need be after a restart.

CREATE TABLE inference_tasks (
    id            TEXT    NOT NULL PRIMARY KEY,
    owner_id      TEXT    NOT NULL,
    llm           TEXT,
    pool          TEXT,
    path          TEXT    NOT NULL,
    request       TEXT    NOT NULL,
    status        TEXT    NOT NULL
        CHECK (status IN ('pending', 'claimed', 'running', 'completed', 'error', 'cancelled')),
    attempts      INTEGER NOT NULL,
    answered_by   TEXT,
    error         TEXT,
    code          TEXT,
    answer_status INTEGER,
    content_type  TEXT,
    answer        TEXT,
    created_at    TEXT    NOT NULL,
    claimed_at    TEXT,
    finished_at   TEXT,
    -- A client's own key, so that what it repeats is not done twice.
    idempotency_key TEXT,
    request_hash    TEXT,
    CHECK ((llm IS NULL) <> (pool IS NULL))
) STRICT;
CREATE UNIQUE INDEX inference_tasks_by_key ON inference_tasks (owner_id, idempotency_key);
CREATE INDEX inference_tasks_by_owner ON inference_tasks (owner_id, id);
CREATE INDEX inference_tasks_pending ON inference_tasks (id) WHERE status = 'pending';
CREATE INDEX inference_tasks_finished ON inference_tasks (finished_at) WHERE finished_at IS NOT NULL;
