# Calls every function of the WSDL with Debian's python3-zeep, and prints what came of
# each as one JSON object: {"function": answer or {"fault": text}}.
import json
import sys

import zeep
import zeep.helpers

client = zeep.Client(sys.argv[1])
arguments = json.loads(sys.argv[2])
answers = {}
port = client.wsdl.services["SAPControl"].ports["SAPControl"]
for name in sorted(port.binding._operations):
    try:
        answer = client.service[name](**arguments.get(name, {}))
        answers[name] = zeep.helpers.serialize_object(answer, dict)
    except zeep.exceptions.Fault as fault:
        answers[name] = {"fault": fault.message, "code": fault.code}
print(json.dumps(answers))
