-- Which generation of the read tables is the live one, and how far the work store's schema is. Locked by whoever makes or
-- switches generations.
CREATE SCHEMA IF NOT EXISTS mcpctl;
CREATE TABLE IF NOT EXISTS mcpctl.live (
    id         BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    -- NULL before there are tables.
    generation BIGINT
);
INSERT INTO mcpctl.live (id, generation) VALUES (1, NULL) ON CONFLICT DO NOTHING;
