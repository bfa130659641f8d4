"""Prints the events of a registry as CloudEvents, one JSON object a line: subscribing.py HOST:PORT TOPIC.events [--until-end]"""
import json
import sys

from confluent_kafka import Consumer, KafkaError, TopicPartition

if len(sys.argv) < 3:
    sys.exit(__doc__)
broker, topic, *options = sys.argv[1:]
consumer = Consumer({
    "bootstrap.servers": broker,
    "group.id": "my-service",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
})
if not topic.endswith(".events"):
    sys.exit(f"{topic} holds no CloudEvents; subscribe to {topic}.events")
partitions = consumer.list_topics(topic, 10).topics[topic].partitions
if not partitions:
    sys.exit(f"there is no topic {topic} at {broker}")
# From the beginning. To go on where you were, keep the offset of what you have done, and assign that + 1.
consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])

done, ended, said = {}, set(), None
while not ("--until-end" in options and len(ended) == len(partitions)):
    message = consumer.poll(1.0)
    if message is None:
        continue
    if message.error():
        if message.error().code() == KafkaError._PARTITION_EOF:
            ended.add(message.partition())
        elif message.error().fatal():
            sys.exit(f"{topic}: {message.error()}")
        elif str(message.error()) != said:
            said = str(message.error())
            print(f"{topic}: {said}", file=sys.stderr)  # it passes
        continue
    headers = {name: value.decode() for name, value in message.headers() or []}
    if "ce_sequence" not in headers:
        continue  # somebody else's
    event = {name[3:]: value for name, value in headers.items() if name.startswith("ce_")}
    # Each event comes at least once, and now and then again, late: then a newer one of its subject was here before.
    sequence = int(event["sequence"])
    if sequence <= done.get(event["subject"], 0):
        continue
    event["datacontenttype"] = headers["content-type"]
    event["data"] = json.loads(message.value())
    print(json.dumps(event), flush=True)
    done[event["subject"]] = sequence
consumer.close()
