// What programs do with the official OpenAI SDK for Node, against the server at argv[2] with the token argv[3].
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [url, token, modules] = process.argv.slice(2);
const { default: OpenAI } = await import(createRequire(`${modules}/`).resolve("openai"));
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: token, maxRetries: 0 });
const messages = [{ role: "user", content: "hi" }];
const tools = [{ type: "function", function: { name: "add", parameters: { type: "object", properties: {} } } }];

const names = [];
for await (const model of client.models.list()) names.push(model.id);
for (const name of ["llm", "qwen", "agent/llm-agent"]) assert(names.includes(name), names.join());

for (const model of ["llm", "qwen", "agent/llm-agent"]) {
  const whole = await client.chat.completions.create({ model, messages });
  assert.equal(whole.choices[0].message.content, "hello");
  let text = "";
  for await (const chunk of await client.chat.completions.create({ model, messages, stream: true }))
    text += chunk.choices[0].delta.content ?? "";
  assert.equal(text, "hello");
}

const called = await client.chat.completions.create({ model: "llm", messages, tools });
assert.equal(called.choices[0].message.tool_calls[0].function.arguments, '{"a": 19}');
const streamed = await client.chat.completions.stream({ model: "llm", messages, tools }).finalChatCompletion();
assert.equal(streamed.choices[0].message.tool_calls[0].function.arguments, '{"a": 19}');

assert.equal((await client.completions.create({ model: "llm", prompt: "hi" })).choices[0].text, "hello");
const embedded = await client.embeddings.create({ model: "llm", input: "hi", encoding_format: "float" });
assert.deepEqual(embedded.data[0].embedding, [0.25, -0.5]);

assert.equal((await client.responses.create({ model: "llm", input: "hi" })).output_text, "hello");
const kinds = [];
for await (const event of await client.responses.create({ model: "llm", input: "hi", stream: true })) kinds.push(event.type);
assert.deepEqual(kinds, ["response.created", "response.output_text.delta", "response.completed"]);

await assert.rejects(client.chat.completions.create({ model: "nope", messages }), (error) => {
  assert(error instanceof OpenAI.NotFoundError);
  assert.deepEqual([error.code, error.type], ["model_not_found", "invalid_request_error"]);
  return true;
});
const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "wrong", maxRetries: 0 });
await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
console.log("done");
