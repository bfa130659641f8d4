"""What programs do with the official OpenAI SDK for Python, against the server at argv[1] with the token argv[2]."""

import asyncio
import sys

import openai

url, token = sys.argv[1:3]
client = openai.OpenAI(base_url=url + "/v1", api_key=token, max_retries=0)
ask = [{"role": "user", "content": "hi"}]
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}]

names = [model.id for model in client.models.list()]
assert {"llm", "agent/llm-agent", "qwen"} <= set(names), names
assert client.models.retrieve("agent/llm-agent").id == "agent/llm-agent"

for model in ("llm", "qwen", "agent/llm-agent"):
    whole = client.chat.completions.create(model=model, messages=ask)
    assert whole.choices[0].message.content == "hello", whole
    assert whole.usage.total_tokens == 5
    streamed = client.chat.completions.create(model=model, messages=ask, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == "hello"

raw = client.chat.completions.with_raw_response.create(model="llm", messages=ask)
assert raw.headers["x-request-id"].startswith("req_"), raw.headers

called = client.chat.completions.create(model="llm", messages=ask, tools=TOOLS)
assert called.choices[0].message.tool_calls[0].function.arguments == '{"a": 19}'
with client.chat.completions.stream(model="llm", messages=ask, tools=TOOLS) as stream:
    called = stream.get_final_completion()
assert called.choices[0].message.tool_calls[0].function.arguments == '{"a": 19}', called

assert client.completions.create(model="llm", prompt="hi").choices[0].text == "hello"
assert client.embeddings.create(model="llm", input="hi", encoding_format="float").data[0].embedding == [0.25, -0.5]

assert client.responses.create(model="llm", input="hi").output_text == "hello"
kinds = [event.type for event in client.responses.create(model="llm", input="hi", stream=True)]
assert kinds == ["response.created", "response.output_text.delta", "response.completed"], kinds


def refused(error, call):
    try:
        call()
    except error as caught:
        return caught
    raise AssertionError(f"not refused with {error}")


missing = refused(openai.NotFoundError, lambda: client.chat.completions.create(model="nope", messages=ask))
assert (missing.code, missing.type) == ("model_not_found", "invalid_request_error"), missing.body
bad = refused(openai.BadRequestError, lambda: client.chat.completions.create(model="agent/llm-agent", messages="hi"))
assert bad.param == "messages", bad.body
stranger = openai.OpenAI(base_url=url + "/v1", api_key="wrong", max_retries=0)
assert refused(openai.AuthenticationError, lambda: stranger.models.list()).code == "invalid_api_key"


async def together():
    async with openai.AsyncOpenAI(base_url=url + "/v1", api_key=token, max_retries=0) as client:
        calls = [client.chat.completions.create(model="qwen", messages=ask) for _ in range(20)]
        return {answer.choices[0].message.content for answer in await asyncio.gather(*calls)}


assert asyncio.run(together()) == {"hello"}
print("done")
