# Calls every function of the WSDL with Debian's python3-suds, and prints what came of
# each as one JSON object: {"function": answer or {"fault": text}}.
import json
import sys

import suds.client
import suds.sudsobject


def plain(value):
    if isinstance(value, suds.sudsobject.Object):
        return {k: plain(v) for k, v in suds.sudsobject.asdict(value).items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)


client = suds.client.Client(sys.argv[1], cache=None, username="", password="")
arguments = json.loads(sys.argv[2])
answers = {}
for name in sorted(client.wsdl.services[0].ports[0].methods):
    given = arguments.get(name, {})
    if "Aid" in given:
        given = dict(given, Aid={"item": given["Aid"]["item"]})
    try:
        answers[name] = plain(getattr(client.service, name)(**given))
    except suds.WebFault as fault:
        answers[name] = {"fault": str(fault.fault.faultstring), "code": str(fault.fault.faultcode)}
print(json.dumps(answers))
