-- The read tables: a fold of the log, in a schema of their own for each generation. Nothing here is ever altered in place;
-- a new shape is a new projection version, filled from the log into a new schema.
-- Ids are UUIDs; JSON is text, as it came; names sort bytewise on every database, and letters of every language have
-- their small ones where people search.

CREATE TABLE projection_checkpoint (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    -- Last event that the tables hold.
    sequence BIGINT NOT NULL,
    head TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    log_id TEXT COLLATE "C",
    generation BIGINT NOT NULL,
    projection_version BIGINT NOT NULL,
    -- The generation that took over; nothing is written here from then on.
    superseded_by BIGINT
);

CREATE TABLE llm_rows (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    kind TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    awake_status TEXT COLLATE "C" NOT NULL,
    disabled BOOLEAN NOT NULL,
    session_id TEXT COLLATE "C",
    owner_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    last_heartbeat_at TIMESTAMPTZ,
    inactive_since TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    url TEXT COLLATE "C",
    tier TEXT COLLATE "C",
    description TEXT COLLATE "und-x-icu",
    pool_name TEXT COLLATE "C",
    api_key_ref TEXT COLLATE "C",
    extra_config TEXT COLLATE "C",
    max_concurrent BIGINT,
    max_wait_seconds BIGINT,
    labels TEXT COLLATE "C" NOT NULL
);

CREATE TABLE agent_rows (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    kind TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    awake_status TEXT COLLATE "C" NOT NULL,
    disabled BOOLEAN NOT NULL,
    session_id TEXT COLLATE "C",
    owner_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    last_heartbeat_at TIMESTAMPTZ,
    inactive_since TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    description TEXT COLLATE "und-x-icu",
    system_prompt TEXT COLLATE "C",
    llm_id TEXT COLLATE "C",
    llm_name TEXT COLLATE "C" NOT NULL,
    project TEXT COLLATE "C",
    default_personality TEXT COLLATE "C",
    proxy_model_name TEXT COLLATE "C",
    default_params TEXT COLLATE "C",
    extras TEXT COLLATE "C",
    labels TEXT COLLATE "C" NOT NULL
);

CREATE TABLE projects (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    owner_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    description TEXT COLLATE "und-x-icu",
    mcp_servers TEXT COLLATE "C" NOT NULL
);

CREATE TABLE personalities (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    owner_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    agent TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "und-x-icu"
);

CREATE TABLE prompts (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    owner_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    content TEXT COLLATE "und-x-icu" NOT NULL,
    priority BIGINT NOT NULL,
    -- Exactly one of these.
    agent TEXT COLLATE "C",
    project TEXT COLLATE "C",
    personality TEXT COLLATE "C"
);

CREATE TABLE sessions (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL,
    epoch BIGINT NOT NULL,
    node TEXT COLLATE "C",
    boot_id TEXT COLLATE "C",
    transport TEXT COLLATE "C",
    last_heartbeat_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    -- What the heartbeat stream last said: an overlay, no part of the fold.
    heartbeat_at TIMESTAMPTZ
);

CREATE TABLE tokens (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    user_name TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    expires_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);

-- What users may do besides what the roles of their tokens allow.
CREATE TABLE role_bindings (
    -- User, verb and resource, as in `ann run agent/local-*`.
    binding TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_name TEXT COLLATE "C" NOT NULL,
    verb TEXT COLLATE "C" NOT NULL,
    resource TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- An index over the log: the events themselves stay there, at `position`.
CREATE TABLE events (
    sequence BIGINT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    time TIMESTAMPTZ NOT NULL
);
CREATE INDEX events_by_subject ON events (subject, sequence);
CREATE INDEX events_by_type ON events (type text_pattern_ops, sequence);

CREATE INDEX llm_rows_by_status ON llm_rows (status, kind, name);
CREATE INDEX llm_rows_by_kind ON llm_rows (kind, name);
CREATE INDEX llm_rows_by_pool ON llm_rows (COALESCE(pool_name, name), name);
CREATE INDEX llm_rows_by_session ON llm_rows (session_id);
CREATE INDEX agent_rows_by_status ON agent_rows (status, kind, name);
CREATE INDEX agent_rows_by_kind ON agent_rows (kind, name);
CREATE INDEX agent_rows_by_session ON agent_rows (session_id);
CREATE INDEX agent_rows_by_llm ON agent_rows (llm_name, name);
CREATE INDEX agent_rows_by_llm_id ON agent_rows (llm_id);
CREATE INDEX agent_rows_by_project ON agent_rows (project, name);
CREATE INDEX personalities_by_agent ON personalities (agent, name);
CREATE INDEX prompts_by_agent ON prompts (agent, name);
CREATE INDEX prompts_by_project ON prompts (project, name);
CREATE INDEX prompts_by_personality ON prompts (personality, name);

-- Whoever waits for the tables hears where they are now.
CREATE FUNCTION tell_sequence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('mcpctl_projected', NEW.generation || ' ' || NEW.sequence);
    RETURN NULL;
END $$;
CREATE TRIGGER checkpoint_moved AFTER UPDATE OF sequence ON projection_checkpoint
    FOR EACH ROW EXECUTE FUNCTION tell_sequence();

-- For people with SQL.
CREATE VIEW llms AS
SELECT r.name, r.kind, r.status, r.pool_name, r.type, r.model, r.tier, r.description, r.id, r.disabled,
       r.kind = 'public' OR s.node IS NOT NULL AS connected,
       GREATEST(r.last_heartbeat_at, s.heartbeat_at) AS last_heartbeat_at,
       r.inactive_since, r.session_id, r.owner_id, r.url, r.api_key_ref, r.extra_config, r.max_concurrent,
       r.max_wait_seconds, r.labels, r.version, r.created_at, r.updated_at
FROM llm_rows AS r LEFT JOIN sessions AS s ON s.id = r.session_id;

CREATE VIEW agents AS
SELECT r.name, r.kind, r.status, r.llm_name, r.llm_id, r.project, r.description, r.system_prompt, r.id, r.disabled,
       r.kind = 'public' OR s.node IS NOT NULL AS connected,
       GREATEST(r.last_heartbeat_at, s.heartbeat_at) AS last_heartbeat_at,
       r.inactive_since, r.session_id, r.owner_id, r.default_personality, r.proxy_model_name, r.default_params,
       r.extras, r.labels, r.version, r.created_at, r.updated_at
FROM agent_rows AS r LEFT JOIN sessions AS s ON s.id = r.session_id;
