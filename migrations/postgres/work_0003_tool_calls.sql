-- Which call a tool's message answers.
ALTER TABLE messages ADD COLUMN tool_call_id TEXT COLLATE "C";
