// The functions' settings from the outputs of the resources, by the rule of adapters/settings.py:
// DevicesEventsTable becomes HOMECAST_DEVICES_EVENTS_TABLE. AWS allows a function 4 KB of them, so
// each gets only what it may need; what is missing is an empty setting. What
// concerns media is served by processes, and published by the relay.
const LEFT_OUT = {
  api: /(Subscription|Topic)$|^(Farewells|Mail|PolicyStates|Timeouts|Brokers|Creatives|Fetches|Media|Renders|Transcoding|JobEvents|Statistics|Athena)/,
  projector: /(Subscription|Topic)$|^(Alarms|Departures|Erasure|Farewells|Forgetting|Mail|Outbox|PolicyStates|Relay|Timeouts|Brokers|Creatives|Fetches|Media|Renders|Transcoding|JobEvents|Statistics|Athena)/,
  relay: /^(?!.*(EventsTable|Topic)$)/,
};

const variableOf = (output) =>
  `HOMECAST_${output.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toUpperCase()}`;

const environmentOf = (name) => async ({ resolveVariable }) => {
  const parts = await resolveVariable('self:resources');
  const outputs = Object.entries(Object.assign({}, ...parts.map((part) => part.Outputs)));
  const settings = outputs
    .filter(([output]) => !LEFT_OUT[name].test(output))
    .map(([output, { Value }]) => [variableOf(output), Value]);
  return {
    HOMECAST_AWS_REGION: { Ref: 'AWS::Region' },
    HOMECAST_REDIS_URL: await resolveVariable('param:redisUrl'),
    HOMECAST_STORE_GENERATION: await resolveVariable('param:storeGeneration'),
    ...Object.fromEntries(settings),
  };
};

module.exports = Object.fromEntries(
  Object.keys(LEFT_OUT).map((name) => [name, environmentOf(name)]),
);
