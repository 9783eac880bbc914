"""Patches of CloudFormation: how stacks are created, changed and fail."""

import copy
import re
import threading

from patches import patch

# What has nothing to provision.
IGNORED = ("AWS::CDK::Metadata", "AWS::CloudFormation::WaitCondition", "AWS::CloudFormation::WaitConditionHandle")

# What moto cannot change, or changes by making it anew, and what holds data or
# what others were added to. A change of such a resource is not carried out.
KEPT = ("AWS::DynamoDB::Table", "AWS::Events::EventBus", "AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::SNS::Topic")

# Types that these patches provision instead of moto; resources.py adds to it.
OURS = {}


class Resource:
    """What a stack holds: a type of resource that moto lacks, or has in part.

    A subclass says how to put it; putting it again is how it is changed. If that
    gives another id it was replaced, and the old one is removed in the end.
    """

    attributes = ()  # for Fn::GetAtt; None: any

    def __init__(self, logical_id, properties, region, stack):
        self.logical_id, self.properties, self.region, self.stack = logical_id, properties, region, stack
        self.values = {}
        self.physical_resource_id = None

    def put(self, old=None):
        """Provisions self, or changes old to it, and returns the physical id."""
        return self.logical_id

    def remove(self):
        """Removes what put provisioned."""

    def is_created(self):
        return True

    def delete(self, account_id=None, region_name=None):
        try:
            self.remove()
        except (TypeError, AttributeError) as e:  # moto takes these for a class without delete
            raise RuntimeError(repr(e)) from e

    @classmethod
    def has_cfn_attr(cls, name):
        return cls.attributes is None or name in cls.attributes

    def get_cfn_attribute(self, name):
        if name in self.values:
            return self.values[name]
        raise RuntimeError("%s (%s) has no attribute %s" % (self.logical_id, type(self).__name__, name))

    @classmethod
    def create_from_cloudformation_json(cls, name, cloudformation_json, account_id, region_name, LogicalId, StackId, ResourceType):
        made = cls(LogicalId, cloudformation_json.get("Properties", {}), region_name, StackId)
        made.cf_resource_type = ResourceType
        made.physical_resource_id = made.put()
        return made

    @classmethod
    def update_from_cloudformation_json(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        changed = cls(original_resource.logical_id, cloudformation_json.get("Properties", {}), region_name, original_resource.stack)
        changed.cf_resource_type = original_resource.cf_resource_type
        changed.physical_resource_id = changed.put(original_resource)
        return changed

    @classmethod
    def delete_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name):
        pass  # delete did it


def provisions(*types):
    """Makes the class that follows provision these types."""

    def listed(cls):
        for name in types:
            OURS[name] = cls
        return cls

    return listed


@patch("A type of resource that nobody provisions fails the stack; moto leaves it out and reports success.")
def unknown_types():
    import moto.cloudformation.parsing as parsing

    theirs = parsing.resource_class_from_type

    def ours_first(name):
        if name in OURS:
            return OURS[name]
        if name.startswith("Custom::"):
            return OURS["AWS::CloudFormation::CustomResource"]
        found = theirs(name)
        if found is None and name not in IGNORED:
            raise RuntimeError("the stand-in does not provision %s" % name)
        return found

    parsing.resource_class_from_type = ours_first


@patch("A stack whose resource fails is rolled back and says why in its events; moto answers 500 and keeps half of it.")
def stack_failures():
    from moto.cloudformation.models import CloudFormationBackend, Stack

    create = Stack.create_resources

    def create_or_roll_back(self):
        try:
            create(self)
        except Exception as e:
            _report(self, "CREATE_FAILED", e)
            self._add_stack_event("ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [%s]." % _culprit(e))
            _quietly(self.resource_map.delete)
            # Whoever looks up a resource or output that is not there makes it.
            self.resource_map._resource_json_map, self.output_map._output_json_map = {}, {}
            self.status = "ROLLBACK_COMPLETE"
            self._add_stack_event("ROLLBACK_COMPLETE")

    def update_or_roll_back(self, template, role_arn=None, parameters=None, tags=None):
        before = self.template, dict(self.parameters)
        self._add_stack_event("UPDATE_IN_PROGRESS", "User Initiated")
        self.status = "UPDATE_IN_PROGRESS"
        try:
            _turn_into(self, template, parameters)
        except Exception as e:
            _report(self, "UPDATE_FAILED", e)
            self._add_stack_event("UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [%s]." % _culprit(e))
            _quietly(_turn_into, self, *before)
            self.status = "UPDATE_ROLLBACK_COMPLETE"
            self._add_stack_event("UPDATE_ROLLBACK_COMPLETE")
            return
        self.status, self.role_arn = "UPDATE_COMPLETE", role_arn
        if tags is not None:
            self.tags = tags
        self._add_stack_event("UPDATE_COMPLETE")

    def execute(self, change_set_name, stack_name=None):
        change = self.describe_change_set(change_set_name)
        stack = self.stacks[change.stack_id]
        if change.change_set_type == "CREATE":
            stack.template, stack.parameters = change.template, change.parameters
            stack._parse_template()
            stack.resource_map, stack.output_map = stack._create_resource_map(), None
            stack.output_map = stack._create_output_map()
            stack._add_stack_event("CREATE_IN_PROGRESS", "User Initiated")
            stack.create_resources()
        else:
            stack.update(change.template, change.role_arn, change.parameters, change.tags)
        failed = "ROLLBACK" in stack.status
        change.execution_status = "EXECUTE_FAILED" if failed else "EXECUTE_COMPLETE"

    Stack.create_resources = create_or_roll_back
    Stack.update = update_or_roll_back
    CloudFormationBackend.execute_change_set = execute


def _turn_into(stack, template, parameters):
    stack.template = template
    stack._parse_template()
    stack.description = stack.template_dict.get("Description")
    stack.resource_map.update(stack.template_dict, parameters)
    if parameters:
        stack.parameters = parameters
    stack.output_map = stack._create_output_map()


def _culprit(error):
    return getattr(error, "standin_resource", ("?", "?"))[0]


def _report(stack, status, error):
    from moto.cloudformation.models import Event

    name, kind = getattr(error, "standin_resource", (stack.name, "AWS::CloudFormation::Stack"))
    reason = getattr(error, "message", None) or str(error) or repr(error)
    stack.events.append(Event(stack.stack_id, stack.name, name, "", kind, status, reason, None))


def _quietly(function, *args):
    """Calls function; what fails while rolling back stays as it is."""
    try:
        function(*args)
    except Exception as e:
        print("rolling back: %r" % e, flush=True)


@patch("An update touches what has other values than before, in the order of references, and removes what is gone last.")
def updates_by_value():
    import moto.cloudformation.parsing as parsing

    create, change = parsing.parse_and_create_resource, parsing.parse_and_update_resource

    def values(logical_id, definition, resources):
        return parsing.clean_json(copy.deepcopy(definition.get("Properties", {})), resources)

    def create_and_note(logical_id, resource_json, resources_map, account_id, region_name):
        with _blames(logical_id, resource_json):
            made = create(logical_id, copy.deepcopy(resource_json), resources_map, account_id=account_id, region_name=region_name)
            if made is not None:
                _noted(resources_map)[logical_id] = values(logical_id, resource_json, resources_map)
            return made

    def update(self, template, parameters=None):
        old = self._resource_json_map
        self._template, self._resource_json_map = template, template["Resources"]
        if parameters:
            self.input_parameters = parameters
        self.load_mapping()
        self.load_parameters()
        self.load_conditions()
        replaced = []
        for name in _in_order(template["Resources"]):
            _bring_up(self, name, template["Resources"][name], replaced)
        for name in reversed([n for n in old if n not in template["Resources"] and n in self._parsed_resources]):
            gone = self._parsed_resources.pop(name)
            if old[name].get("DeletionPolicy") != "Retain":
                with _blames(name, old[name]):
                    self._delete_resource(gone, old[name])
        for resource in replaced:
            resource.delete(self._account_id, self._region_name)

    def _bring_up(self, name, definition, replaced):
        if name not in self._parsed_resources:
            self[name]
            return
        before, now = self._parsed_resources[name], values(name, definition, self)
        if now == _noted(self).get(name) or definition["Type"] in KEPT:
            return
        with _blames(name, definition):
            after = change(name, copy.deepcopy(definition), self, account_id=self._account_id, region_name=self._region_name)
            if after is None:  # moto cannot change it
                self._delete_resource(before, definition)
                del self._parsed_resources[name]
                after = self[name]
        self._parsed_resources[name] = after
        _noted(self)[name] = now
        other = isinstance(after, Resource) and after.physical_resource_id != before.physical_resource_id
        if other and definition.get("UpdateReplacePolicy") != "Retain":
            replaced.append(before)

    parsing.parse_and_create_resource = create_and_note
    parsing.ResourceMap.update = update


@patch("A stack is deleted in the order against its references; moto takes any, and fails where a part went before what belongs to it.")
def deletions():
    import moto.cloudformation.parsing as parsing

    def delete(self):
        failed = None
        for name in reversed(_in_order(self._resource_json_map)):
            gone, definition = self._parsed_resources.pop(name, None), self._resource_json_map[name]
            if gone is None or isinstance(gone, str) or definition.get("DeletionPolicy") == "Retain":
                continue
            try:
                with _blames(name, definition):
                    self._delete_resource(gone, definition)
            except Exception as e:
                failed = failed or e
        if failed:
            raise failed

    parsing.ResourceMap.delete = delete


def _noted(resources):
    """Returns the values that the resources of a stack were last brought to."""
    if not hasattr(resources, "standin_values"):
        resources.standin_values = {}
    return resources.standin_values


class _blames:
    """Notes on an error which resource it is about; the innermost one is."""

    def __init__(self, name, definition):
        self.resource = (name, definition["Type"])

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None and not hasattr(error, "standin_resource"):
            error.standin_resource = self.resource
        return False


def _in_order(definitions):
    """Returns the names of resources so that each comes after what it refers to."""
    ordered, seen = [], set()

    def visit(name):
        if name in seen or name not in definitions:
            return
        seen.add(name)
        for other in _references(definitions[name]):
            visit(other)
        ordered.append(name)

    for name in definitions:
        visit(name)
    return ordered


def _references(node):
    if isinstance(node, list):
        return [r for n in node for r in _references(n)]
    if not isinstance(node, dict):
        return []
    found = []
    for key, value in node.items():
        if key == "Ref":
            found.append(value)
        elif key == "Fn::GetAtt":
            found.append(value[0] if isinstance(value, list) else value.split(".")[0])
        elif key == "DependsOn":
            found += [value] if isinstance(value, str) else value
        elif key == "Fn::Sub":
            text = value if isinstance(value, str) else value[0]
            found += [m.split(".")[0] for m in re.findall(r"\$\{([^!}]+)\}", text)]
            found += _references(value)
        else:
            found += _references(value)
    return found


@patch("CloudFormation: the events of an operation carry the ClientRequestToken of the request that began it")
def event_tokens():
    import moto.cloudformation.models as models
    import moto.cloudformation.responses as responses

    request = threading.local()

    def remembering(operation):
        def remembered(self):
            request.token = self._get_param("ClientRequestToken")
            try:
                return operation(self)
            finally:
                request.token = None

        return remembered

    for name in ("create_stack", "update_stack", "delete_stack", "execute_change_set"):
        setattr(responses.CloudFormationResponse, name, remembering(getattr(responses.CloudFormationResponse, name)))
    make = models.Event.__init__

    def made(self, *args, **kwargs):
        make(self, *args, **kwargs)
        self.client_request_token = getattr(request, "token", None)

    models.Event.__init__ = made
