-- The read tables: a fold of the log. Nothing here is ever altered in place; a new shape is a new projection version,
-- filled from the log into a new file.
-- Tables with a text key are clustered by it: one page less in each commit, and lists come in order.
-- Times are RFC 3339 UTC with milliseconds and sort as text; ids are UUIDs; JSON is text; names sort bytewise.

CREATE TABLE projection_checkpoint (
    id                 INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    -- Last event that the tables hold.
    sequence           INTEGER NOT NULL,
    head               TEXT    NOT NULL,
    position           INTEGER NOT NULL,
    log_id             TEXT,
    generation         INTEGER NOT NULL,
    projection_version INTEGER NOT NULL,
    -- The generation that took over; nothing is written here from then on.
    superseded_by      INTEGER
) STRICT;

CREATE TABLE llm_rows (
    name              TEXT    NOT NULL PRIMARY KEY,
    id                TEXT    NOT NULL UNIQUE,
    kind              TEXT    NOT NULL,
    status            TEXT    NOT NULL,
    awake_status      TEXT    NOT NULL,
    disabled          INTEGER NOT NULL,
    session_id        TEXT,
    owner_id          TEXT    NOT NULL,
    version           INTEGER NOT NULL,
    last_heartbeat_at TEXT,
    inactive_since    TEXT,
    created_at        TEXT    NOT NULL,
    updated_at        TEXT    NOT NULL,
    type              TEXT    NOT NULL,
    model             TEXT    NOT NULL,
    url               TEXT,
    tier              TEXT,
    description       TEXT,
    pool_name         TEXT,
    api_key_ref       TEXT,
    extra_config      TEXT,
    max_concurrent    INTEGER,
    max_wait_seconds  INTEGER,
    labels            TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_rows (
    name                TEXT    NOT NULL PRIMARY KEY,
    id                  TEXT    NOT NULL UNIQUE,
    kind                TEXT    NOT NULL,
    status              TEXT    NOT NULL,
    awake_status        TEXT    NOT NULL,
    disabled            INTEGER NOT NULL,
    session_id          TEXT,
    owner_id            TEXT    NOT NULL,
    version             INTEGER NOT NULL,
    last_heartbeat_at   TEXT,
    inactive_since      TEXT,
    created_at          TEXT    NOT NULL,
    updated_at          TEXT    NOT NULL,
    description         TEXT,
    system_prompt       TEXT,
    llm_id              TEXT,
    llm_name            TEXT    NOT NULL,
    project             TEXT,
    default_personality TEXT,
    proxy_model_name    TEXT,
    default_params      TEXT,
    extras              TEXT,
    labels              TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE projects (
    name        TEXT    NOT NULL PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    owner_id    TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    created_at  TEXT    NOT NULL,
    updated_at  TEXT    NOT NULL,
    description TEXT,
    mcp_servers TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE personalities (
    name        TEXT    NOT NULL PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    owner_id    TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    created_at  TEXT    NOT NULL,
    updated_at  TEXT    NOT NULL,
    agent       TEXT    NOT NULL,
    description TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE prompts (
    name        TEXT    NOT NULL PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    owner_id    TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    created_at  TEXT    NOT NULL,
    updated_at  TEXT    NOT NULL,
    content     TEXT    NOT NULL,
    priority    INTEGER NOT NULL,
    -- Exactly one of these.
    agent       TEXT,
    project     TEXT,
    personality TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id                TEXT    NOT NULL PRIMARY KEY,
    user_id           TEXT    NOT NULL,
    epoch             INTEGER NOT NULL,
    node              TEXT,
    boot_id           TEXT,
    transport         TEXT,
    last_heartbeat_at TEXT    NOT NULL,
    created_at        TEXT    NOT NULL,
    -- What the heartbeat stream last said: an overlay, no part of the fold.
    heartbeat_at      TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    name       TEXT NOT NULL PRIMARY KEY,
    id         TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    user_name  TEXT NOT NULL,
    role       TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    expires_at TEXT,
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What users may do besides what the roles of their tokens allow.
CREATE TABLE role_bindings (
    -- User, verb and resource, as in `ann run agent/local-*`.
    binding    TEXT NOT NULL PRIMARY KEY,
    user_name  TEXT NOT NULL,
    verb       TEXT NOT NULL,
    resource   TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- An index over the log: the events themselves stay there, at `position`. Types have no index of their own: they are
-- asked for by glob, which could not use it, and it would be one more page in each commit.
CREATE TABLE events (
    sequence INTEGER NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL,
    type     TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    time     TEXT    NOT NULL
) STRICT;
CREATE INDEX events_by_subject ON events (subject, sequence);

-- For people with SQL.
CREATE VIEW llms AS
SELECT r.name, r.kind, r.status, r.pool_name, r.type, r.model, r.tier, r.description, r.id, r.disabled,
       r.kind = 'public' OR s.node IS NOT NULL AS connected,
       NULLIF(MAX(COALESCE(r.last_heartbeat_at, ''), COALESCE(s.heartbeat_at, '')), '') AS last_heartbeat_at,
       r.inactive_since, r.session_id, r.owner_id, r.url, r.api_key_ref, r.extra_config, r.max_concurrent,
       r.max_wait_seconds, r.labels, r.version, r.created_at, r.updated_at
FROM llm_rows AS r LEFT JOIN sessions AS s ON s.id = r.session_id;

CREATE VIEW agents AS
SELECT r.name, r.kind, r.status, r.llm_name, r.llm_id, r.project, r.description, r.system_prompt, r.id, r.disabled,
       r.kind = 'public' OR s.node IS NOT NULL AS connected,
       NULLIF(MAX(COALESCE(r.last_heartbeat_at, ''), COALESCE(s.heartbeat_at, '')), '') AS last_heartbeat_at,
       r.inactive_since, r.session_id, r.owner_id, r.default_personality, r.proxy_model_name, r.default_params,
       r.extras, r.labels, r.version, r.created_at, r.updated_at
FROM agent_rows AS r LEFT JOIN sessions AS s ON s.id = r.session_id;
