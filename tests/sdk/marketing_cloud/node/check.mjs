// The Node SDK sfmc-sdk against a running twin: node check.mjs http://127.0.0.1:PORT
//
// Others wrote the SDK for the vendor's API, so what it sends (the envelope with its header last, token
// bodies, pages) and how it reads answers are an independent opinion on the twin. Jobs of the twin must
// take a minute to be seen and another to run: its clock is moved, never waited for.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import SDK from 'sfmc-sdk';

const base = process.argv[2];
if (!base) {
  console.error('usage: node check.mjs URL_OF_THE_TWIN');
  process.exit(2);
}
const MID = 7281234;
const PEOPLE = '/data/v1/async/dataextensions/key:people/rows';
const ROWSET = '/hub/v1/dataevents/key:people/rowset';
const READ = '/data/v1/customobjectdata/key/people/rowset';

async function twin(method, path, body) {
  const response = await fetch(`${base}/_twin/${path}`, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  assert.equal(response.status, 200, await response.clone().text());
  return response.json();
}

const advance = (seconds) => twin('POST', 'clock', { advance_ms: seconds * 1000 });

/** A client; its address must look like the vendor's until it is made. */
function client(credentials = {}, options = {}) {
  const sdk = new SDK(
    {
      client_id: 'sandbox-client',
      client_secret: 'sandbox-secret',
      account_id: MID,
      auth_url: `https://mc${'0'.repeat(26)}.auth.marketingcloudapis.com/`,
      ...credentials,
    },
    { retryOnConnectionError: false, ...options },
  );
  sdk.auth.authObject.auth_url = `${base}/`;
  return sdk;
}

/** The error an SDK call throws; fails when it throws none. */
async function refusal(call) {
  try {
    await call;
  } catch (error) {
    return error;
  }
  return assert.fail('the call was not refused');
}

const equals = (leftOperand, rightOperand) => ({ filter: { leftOperand, operator: 'equals', rightOperand } });
const row = (email, value) => ({ CustomerKey: 'people', Keys: { Key: { Name: email, Value: value } } });

let sdk;

beforeEach(async () => {
  await twin('POST', 'reset');
  await twin('POST', 'extensions', {
    key: 'people',
    columns: [
      { name: 'Email', type: 'EmailAddress', primary: true },
      { name: 'First', type: 'Text', length: 10 },
      { name: 'Score', type: 'Number' },
      { name: 'Spent', type: 'Decimal', length: 6, scale: 2 },
      { name: 'Vip', type: 'Boolean' },
      { name: 'Born', type: 'Date' },
    ],
  });
  sdk = client();
});

test('token: its answer names the other services', async () => {
  const answer = await sdk.auth.getAccessToken();
  assert.equal(answer.token_type, 'Bearer');
  assert.equal(answer.expires_in, 1079);
  assert.ok(answer.access_token.length > 300);
  assert.equal(answer.rest_instance_url, `${base}/`);
  assert.equal(answer.soap_instance_url, `${base}/`);
  assert.match(answer.scope, /data_extensions_write/);
});

test('token: a wrong secret, and a business unit of somebody else', async () => {
  const secret = await refusal(client({ client_secret: 'nope' }).auth.getAccessToken());
  assert.deepEqual([secret.response.status, secret.code], [401, 'invalid_client']);
  assert.match(secret.message, /^Client authentication failed/);
  const unit = await refusal(client({ account_id: 1 }).auth.getAccessToken());
  assert.deepEqual([unit.response.status, unit.code], [400, 'invalid_grant']);
});

test('a data extension is seen in its business unit alone', async () => {
  const wanted = ['ObjectID', 'CustomerKey', 'Name', 'IsSendable'];
  const { OverallStatus, Results } = await sdk.soap.retrieveBulk('DataExtension', wanted, equals('CustomerKey', 'people'));
  assert.equal(OverallStatus, 'OK');
  assert.equal(Results.length, 1);
  assert.match(Results[0].ObjectID, /^[\da-f]{8}-/);
  assert.deepEqual([Results[0].CustomerKey, Results[0].Name, Results[0].IsSendable], ['people', 'people', false]);
  const elsewhere = client({ account_id: MID + 1 });
  const none = await elsewhere.soap.retrieveBulk('DataExtension', wanted, equals('CustomerKey', 'people'));
  assert.deepEqual([none.OverallStatus, none.Results], ['OK', undefined]);
});

test('columns, in no order of their own', async () => {
  const wanted = ['Name', 'FieldType', 'MaxLength', 'Scale', 'IsRequired', 'IsPrimaryKey', 'Ordinal'];
  const filter = equals('DataExtension.CustomerKey', 'people');
  const { Results } = await sdk.soap.retrieveBulk('DataExtensionField', wanted, filter);
  const columns = Results.sort((a, b) => a.Ordinal - b.Ordinal);
  const told = columns.map((column) => [column.Name, column.FieldType, column.MaxLength, column.Scale, column.IsPrimaryKey, column.IsRequired]);
  assert.deepEqual(told, [
    ['Email', 'EmailAddress', 254, undefined, true, true],
    ['First', 'Text', 10, undefined, false, false],
    ['Score', 'Number', undefined, 0, false, false],
    ['Spent', 'Decimal', 6, 2, false, false],
    ['Vip', 'Boolean', undefined, undefined, false, false],
    ['Born', 'Date', undefined, undefined, false, false],
  ]);
  const unknown = await sdk.soap.retrieveBulk('DataExtensionField', wanted, equals('DataExtension.CustomerKey', 'nope'));
  assert.deepEqual([unknown.OverallStatus, unknown.Results], ['OK', undefined]);
});

test('only the properties asked for come back', async () => {
  const { Results } = await sdk.soap.retrieve('DataExtensionField', ['Name'], equals('DataExtension.CustomerKey', 'people'));
  assert.deepEqual(Object.keys(Results[0]).sort(), ['Name', 'ObjectID', 'PartnerKey']);
  const error = await refusal(sdk.soap.retrieve('DataExtension', ['Name', 'Nope']));
  assert.equal(error.code, 'Error');
  assert.match(error.message, /Request Property\(s\) Nope do not match with the fields of DataExtension retrieve/);
});

test('filters: joined, and one the twin cannot apply', async () => {
  const simple = (leftOperand, rightOperand, operator = 'equals') => ({ leftOperand, operator, rightOperand });
  const names = async (filter) => {
    const { Results } = await sdk.soap.retrieve('DataExtensionField', ['Name'], { filter });
    return (Results ?? []).map((column) => column.Name).sort();
  };
  const people = simple('DataExtension.CustomerKey', 'people');
  assert.deepEqual(await names({ leftOperand: people, operator: 'AND', rightOperand: simple('Name', 'vip') }), ['Vip']);
  const either = { leftOperand: simple('Name', 'Vip'), operator: 'OR', rightOperand: simple('IsPrimaryKey', true) };
  assert.deepEqual(await names(either), ['Email', 'Vip']);
  assert.deepEqual(await names(simple('Name', ['First', 'Born', 'Nope'], 'IN')), ['Born', 'First']);
  assert.equal((await refusal(names(simple('Name', 'V', 'beginsWith')))).code, 'Error');
  assert.equal((await refusal(names(simple('Nope', 'Vip')))).code, 'Error');
});

test('an object that does not exist', async () => {
  const error = await refusal(sdk.soap.retrieve('dataextension', ['Name']));
  assert.deepEqual([error.response.status, error.code], [200, 'Error']);
  assert.match(error.message, /^Unable to find a handler for object type: dataextension\./);
});

test('a data extension is made, and gets a column', async () => {
  const field = (name, type, more) => ({ Name: name, FieldType: type, ...more });
  const key = field('Id', 'Text', { MaxLength: 20, IsPrimaryKey: true, IsRequired: true });
  const extension = (...fields) => ({ CustomerKey: 'made', Name: 'Made', Fields: { Field: fields } });
  const made = await sdk.soap.create('DataExtension', extension(key, field('Score', 'Number')));
  assert.deepEqual([made.OverallStatus, made.Results[0].StatusCode], ['OK', 'OK']);
  const again = await refusal(sdk.soap.create('DataExtension', extension(key)));
  assert.equal(again.json.Results[0].StatusCode, 'Error');
  await sdk.soap.update('DataExtension', { CustomerKey: 'made', Fields: { Field: [field('Vip', 'Boolean')] } });
  const { Results } = await sdk.soap.retrieve('DataExtensionField', ['Name'], equals('DataExtension.CustomerKey', 'made'));
  assert.deepEqual(Results.map((column) => column.Name).sort(), ['Id', 'Score', 'Vip']);
});

test('a job: not found, pending, running, complete, and a result for every row', async () => {
  const items = [
    { Email: 'ada@domain.tld', First: 'Ada', Score: 1, Spent: '10.50', Vip: true, Born: '1815-12-10' },
    { Email: 'nobody', First: 'N' },
    { Email: 'grace@domain.tld', First: 'Grace Brewster' },
    { Email: 'alan@domain.tld', Score: 'many' },
    { Email: 'mary@domain.tld', Nope: 1 },
  ];
  const { requestId, resultMessages } = await sdk.rest.put(PEOPLE, { items });
  assert.deepEqual(resultMessages, []);
  const ask = () => sdk.rest.get(`/data/v1/async/${requestId}/status`);
  const unseen = await ask();
  assert.equal(unseen.status, undefined);
  assert.equal(unseen.resultMessages[0].resultCode, 'AsyncRequestStatusNotFound');
  const seen = [];
  for (const seconds of [60, 31, 30]) {
    await advance(seconds);
    const { status, requestId: own } = await ask();
    assert.equal(status.requestId, requestId);
    assert.notEqual(own, requestId);
    seen.push([status.requestStatus, status.resultStatus, status.hasErrors]);
  }
  assert.deepEqual(seen, [
    ['Pending', 'OK', false],
    ['Executing', 'OK', false],
    ['Complete', 'Has Errors', true],
  ]);
  const results = await sdk.rest.getBulk(`/data/v1/async/${requestId}/results`);
  assert.equal(results.count, 5);
  assert.deepEqual(results.items[0], { errorCode: 'None', message: '', status: 'OK' });
  assert.deepEqual(results.items.map((item) => item.status), ['OK', 'Error', 'Error', 'Error', 'Error']);
  const messages = results.items.slice(1).map((item) => item.message);
  assert.deepEqual(messages.slice(0, 2), [
    'Email: The value for column [Email] is not a valid email address. Parse error [InvalidEmailAddress]',
    "First: The value for column [First] exceeds the column's maximum length.",
  ]);
  assert.match(messages[2], /\[Score\] is not a valid number/);
  assert.match(messages[3], /Nope/);
  const { items: rows } = await sdk.rest.getBulk(READ);
  assert.deepEqual(rows, [
    {
      keys: { email: 'ada@domain.tld' },
      values: { first: 'Ada', score: '1', spent: '10.50', vip: 'True', born: '12/10/1815 12:00:00 AM' },
    },
  ]);
});

test('a job whose rows are all good; results by pages', async () => {
  const items = Array.from({ length: 120 }, (_, n) => ({ Email: `p${n}@domain.tld`, Score: n }));
  const { requestId } = await sdk.rest.put(PEOPLE, { items });
  await advance(121);
  const { status } = await sdk.rest.get(`/data/v1/async/${requestId}/status`);
  assert.deepEqual([status.requestStatus, status.resultStatus, status.hasErrors], ['Complete', 'OK', false]);
  const results = await sdk.rest.getBulk(`/data/v1/async/${requestId}/results`);
  assert.deepEqual([results.count, results.items.length], [120, 120]);
  const rows = await sdk.rest.getBulk(READ, 50);
  assert.deepEqual([rows.count, rows.items.length, rows.pageSize], [120, 120, 50]);
});

test('insert alone: a row under a known key fails', async () => {
  const submit = async (items) => {
    const { requestId } = await sdk.rest.post(PEOPLE, { items });
    await advance(121);
    return (await sdk.rest.get(`/data/v1/async/${requestId}/results`)).items;
  };
  assert.equal((await submit([{ Email: 'ada@domain.tld' }]))[0].status, 'OK');
  const [result] = await submit([{ Email: 'ADA@domain.tld', First: 'New' }]);
  assert.deepEqual([result.status, result.errorCode], ['Error', 'UnexpectedError']);
  assert.match(result.message, /^Violation of PRIMARY KEY constraint/);
});

test('a job for a data extension that does not exist, and one of the wrong shape', async () => {
  const error = await refusal(sdk.rest.put('/data/v1/async/dataextensions/key:nope/rows', { items: [{ Id: 1 }] }));
  assert.equal(error.response.status, 400);
  assert.equal(error.response.data.resultMessages[0].resultCode, 'CustomObjectNotFound');
  const wrong = await refusal(sdk.rest.put(PEOPLE, [{ keys: { Email: 'ada@domain.tld' }, values: { Score: 1 } }]));
  assert.equal(wrong.response.status, 400);
});

test('row set: echoed, and upserted', async () => {
  const rows = [{ keys: { Email: 'ada@domain.tld' }, values: { First: 'Ada', Score: 1 } }];
  assert.deepEqual(await sdk.rest.post(ROWSET, rows), rows);
  await sdk.rest.post(ROWSET, [{ keys: { email: 'ADA@domain.tld' }, values: { score: 2 } }]);
  const { count, items } = await sdk.rest.getBulk(READ);
  assert.equal(count, 1);
  assert.deepEqual([items[0].values.first, items[0].values.score], ['Ada', '2']);
});

test('row set: what comes after a bad row is not stored', async () => {
  const rows = ['ada@domain.tld', 'nobody', 'grace@domain.tld'].map((Email) => ({ keys: { Email }, values: { Score: 1 } }));
  const error = await refusal(sdk.rest.post(ROWSET, rows));
  assert.deepEqual([error.response.status, error.code], [400, 10006]);
  assert.match(error.message, /^Unable to save rows for data extension ID [\da-f-]{36}$/);
  assert.deepEqual(error.response.data.additionalErrors, [
    {
      message: 'Email: The value for column [Email] is not a valid email address. Parse error [InvalidEmailAddress]',
      errorcode: 10000,
      documentation: '',
    },
  ]);
  assert.deepEqual((await twin('GET', 'rows/people')).map((stored) => stored.Email), ['ada@domain.tld']);
});

test('row set: no key, a wrapper, a null, storage', async () => {
  const post = (rows) => refusal(sdk.rest.post(ROWSET, rows));
  const key = await post([{ keys: { First: 'Ada' }, values: { Score: 1 } }]);
  assert.deepEqual([key.code, key.message], [10000, "Primary key 'First' does not exist."]);
  assert.equal((await post({ items: [] })).code, 10004);
  const nothing = await post([{ keys: { Email: 'ada@domain.tld' }, values: {} }]);
  assert.match(nothing.response.data.additionalErrors[0].message, /^At least one existing field/);
  const bare = await post([{ keys: { Email: 'ada@domain.tld' }, values: { Score: null } }]);
  assert.deepEqual([bare.code, bare.response.data.additionalErrors], [10006, undefined]);
  await twin('POST', 'faults', { kind: { type: 'storage' } });
  const storage = await post([{ keys: { Email: 'ada@domain.tld' }, values: { Score: 1 } }]);
  assert.deepEqual([storage.code, storage.response.data.additionalErrors], [10006, undefined]);
});

test('reading a data extension without rows: no items at all', async () => {
  const answer = await sdk.rest.get(READ);
  assert.deepEqual([answer.count, answer.items], [0, undefined]);
  assert.equal((await refusal(sdk.rest.get('/data/v1/customobjectdata/key/nope/rowset'))).response.status, 404);
});

test('deletion: a row that is there, one that is not, one without its key', async () => {
  await sdk.rest.post(ROWSET, [{ keys: { Email: 'ada@domain.tld' }, values: { Score: 1 } }]);
  const answer = await sdk.soap.delete('DataExtensionObject', row('Email', 'ADA@domain.tld'));
  assert.equal(answer.OverallStatus, 'OK');
  assert.deepEqual([answer.Results[0].StatusCode, answer.Results[0].StatusMessage], ['OK', 'Deleted DataExtensionObject']);
  assert.deepEqual(await twin('GET', 'rows/people'), []);
  const again = await refusal(sdk.soap.delete('DataExtensionObject', row('Email', 'ada@domain.tld')));
  assert.equal(again.code, 'Error');
  const [result] = again.json.Results;
  assert.deepEqual([result.StatusCode, result.ErrorCode, result.OrdinalID], ['Error', 310007, 0]);
  const keyless = await refusal(sdk.soap.delete('DataExtensionObject', row('First', 'Ada')));
  assert.equal(keyless.json.Results[0].StatusCode, 'Error');
  assert.notEqual(keyless.json.Results[0].ErrorCode, 310007);
});

test('ClearData: every row is gone', async () => {
  await sdk.rest.post(ROWSET, [{ keys: { Email: 'ada@domain.tld' }, values: { Score: 1 } }]);
  const answer = await sdk.soap.perform('DataExtension', 'ClearData', { CustomerKey: 'people' });
  assert.deepEqual([answer.OverallStatus, answer.Results[0].Result.StatusCode], ['OK', 'OK']);
  assert.deepEqual(await twin('GET', 'rows/people'), []);
  const error = await refusal(sdk.soap.perform('DataExtension', 'ClearData', { CustomerKey: 'nope' }));
  assert.equal(error.code, 'Error');
});

test('All Subscribers: read by key and by address, and never written', async () => {
  await twin('PUT', 'subscribers', { key: '1', email: 'ada@domain.tld', status: 'Active' });
  await twin('PUT', 'subscribers', { key: '2', email: 'alan@domain.tld', status: 'Unsubscribed' });
  const properties = ['SubscriberKey', 'EmailAddress', 'Status'];
  const filter = { leftOperand: 'SubscriberKey', operator: 'IN', rightOperand: ['1', '2', '3'] };
  const { Results } = await sdk.soap.retrieve('Subscriber', properties, { filter });
  assert.deepEqual(
    Results.map(({ SubscriberKey, Status }) => [String(SubscriberKey), Status]),
    [['1', 'Active'], ['2', 'Unsubscribed']],
  );
  const status = async () => {
    const found = await sdk.soap.retrieve('Subscriber', ['Status'], equals('EmailAddress', 'alan@domain.tld'));
    return found.Results[0].Status;
  };
  assert.equal(await status(), 'Unsubscribed');
  const error = await refusal(sdk.soap.update('Subscriber', { SubscriberKey: '2', Status: 'Active' }));
  assert.equal(error.json.Results[0].StatusCode, 'Error');
  assert.equal(await status(), 'Unsubscribed');
});

test('contacts: their deletion is asked for by key', async () => {
  const path = '/contacts/v1/contacts/actions/delete?type=keys';
  const body = { values: ['1', 'nobody'], DeleteOperationType: 'ContactAndAttributes' };
  const answer = await sdk.rest.post(path, body);
  assert.deepEqual([answer.operationInitiated, answer.hasErrors], [true, false]);
  assert.equal((await refusal(sdk.rest.post(path, { values: [] }))).response.status, 400);
});

test('an expired token: refused by REST and SOAP, renewed by a client that tries twice', async () => {
  const fields = () => sdk.soap.retrieve('DataExtensionField', ['Name'], equals('DataExtension.CustomerKey', 'people'));
  await sdk.rest.get(READ);
  await advance(1080);
  const rest = await refusal(sdk.rest.get(READ));
  assert.deepEqual([rest.response.status, rest.message], [401, 'Not Authorized']);
  const soap = await refusal(fields());
  assert.deepEqual([soap.response.status, soap.code, soap.message], [500, 'q0:Security', 'Token Expired']);

  for (const call of [() => sdk.rest.get(READ), fields]) {
    sdk = client({}, { requestAttempts: 2 });
    await sdk.auth.getAccessToken();
    await advance(1080);
    await twin('DELETE', 'requests');
    await call();
    const requests = await twin('GET', 'requests');
    assert.equal(requests.length, 3);
    assert.equal(requests[1].path, '/v2/token');
  }
});

test('throttled, and blocked', async () => {
  await sdk.auth.getAccessToken();
  await twin('POST', 'faults', { kind: { type: 'throttled', seconds: 5 } });
  const throttled = await refusal(sdk.rest.get(READ));
  assert.deepEqual([throttled.response.status, throttled.code], [429, 50100]);
  assert.equal(throttled.response.headers['retry-after'], '5');
  await twin('POST', 'faults', { kind: { type: 'blocked' } });
  const blocked = await refusal(sdk.rest.get(READ));
  assert.deepEqual([blocked.response.status, blocked.code], [429, 50200]);
  assert.equal(blocked.response.headers['retry-after'], undefined);
});
