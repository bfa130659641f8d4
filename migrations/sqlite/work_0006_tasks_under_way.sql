-- What servers that are gone were at, which is looked for every few seconds.
CREATE INDEX inference_tasks_under_way ON inference_tasks (boot_id) WHERE status IN ('claimed', 'running');
