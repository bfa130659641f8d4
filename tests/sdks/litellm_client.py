"""litellm as a client of the server at argv[1] with the token argv[2]."""

import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm

url, token = sys.argv[1:3]
to = {"api_base": url + "/v1", "api_key": token, "num_retries": 0}
ask = [{"role": "user", "content": "hi"}]

for model in ("openai/llm", "openai/qwen", "openai/agent/llm-agent"):
    assert litellm.completion(model=model, messages=ask, **to).choices[0].message.content == "hello"
    chunks = litellm.completion(model=model, messages=ask, stream=True, **to)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "hello"
assert litellm.embedding(model="openai/llm", input=["hi"], encoding_format="float", **to).data[0]["embedding"] == [0.25, -0.5]
try:
    litellm.completion(model="openai/nope", messages=ask, **to)
except litellm.NotFoundError as missing:
    assert "does not exist" in str(missing), missing
else:
    raise AssertionError("not refused")
print("done")
