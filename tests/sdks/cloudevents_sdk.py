"""CloudEvents' own SDK reads every event of the server at argv[1], with the token argv[2]."""

import json
import sys
import urllib.request

from cloudevents.core.bindings.http import HTTPMessage, from_structured_event, to_structured_event
from cloudevents.v1.http import from_json

url, token = sys.argv[1:3]
asked = urllib.request.Request(url + "/api/v1/events?limit=10000", headers={"authorization": "Bearer " + token})
events = json.load(urllib.request.urlopen(asked))
assert len(events) > 5, events
kinds = set()
for number, event in enumerate(events, 1):
    body = json.dumps(event).encode()
    read = from_structured_event(HTTPMessage({"content-type": "application/cloudevents+json"}, body))
    assert read.get_specversion() == "1.0" and read.get_id() == event["id"] and read.get_type() == event["type"]
    assert read.get_source() == event["source"] and read.get_subject() == event["subject"]
    assert read.get_datacontenttype() == "application/json" and read.get_data() == event["data"]
    assert read.get_time().tzinfo is not None, event["time"]
    assert read.get_extension("sequence") == str(number) and read.get_extension("actor") == event["actor"]
    again = json.loads(to_structured_event(read).body)
    assert {**again, "time": None} == {**event, "time": None}, (again, event)
    # The SDK's older interface reads it, too.
    assert from_json(body)["sequence"] == str(number)
    kinds.add(event["type"])
assert {"mcpctl.llm.registered.v1", "mcpctl.session.connected.v1", "mcpctl.registry.writer_elected.v1"} <= kinds, kinds
print("done")
