// The official Node SDK against a running twin: node check.mjs http://127.0.0.1:PORT
//
// The SDK was written by the vendor, so what it sends and how it reads answers is an independent
// opinion on the twin. Shapes are compared whole wherever no time or id is in them.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { afterEach, beforeEach, test } from 'node:test';

const base = process.argv[2];
if (!base) {
  console.error('usage: node check.mjs URL_OF_THE_TWIN');
  process.exit(2);
}
const { Client } = createRequire(import.meta.url)('@hubspot/api-client');
const client = (retries = 0) =>
  new Client({ accessToken: 'pat-na1-sandbox', basePath: base, numberOfApiCallRetries: retries });
const hubspot = client();

async function twin(method, path, body) {
  const response = await fetch(`${base}/_twin/${path}`, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  assert.equal(response.status, 200, await response.clone().text());
  return response.json();
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

const upsertInput = (id, properties, trace) => ({
  idProperty: 'email',
  id,
  properties,
  ...(trace ? { objectWriteTraceId: trace } : {}),
});
const create = (email) => hubspot.crm.contacts.basicApi.create({ properties: { email }, associations: [] });

beforeEach(() => twin('POST', 'reset'));

// The SDK asks v3 for records, properties and lists, so it is v3 that was looked at here; the token's path is
// older, and the account's is named by its test.
const paths = /^\/crm\/v3\/|^\/oauth\/v1\/token$|^\/account-info\/2026-03\//;
afterEach(async () => {
  const asked = (await twin('GET', 'requests')).map((request) => request.path);
  assert.notDeepEqual(asked, []);
  assert.deepEqual(asked.filter((path) => !paths.test(path)), []);
});

test('upsert: 200, created and updated told apart', async () => {
  const { id } = await create('ann@example.com');
  const answer = await hubspot.crm.contacts.batchApi.upsert({
    inputs: [upsertInput('ann@example.com', { firstname: 'Ann' }), upsertInput('bob@example.com', { email: 'bob@example.com' })],
  });
  assert.equal(answer.status, 'COMPLETE');
  assert.ok(answer.startedAt instanceof Date && answer.completedAt instanceof Date);
  assert.equal(answer.results.length, 2);
  const updated = answer.results.find((result) => result.id === id);
  assert.equal(updated._new, false);
  assert.equal(updated.archived, false);
  assert.ok(updated.createdAt instanceof Date && updated.updatedAt instanceof Date);
  assert.deepEqual(Object.keys(updated.properties).sort(), ['createdate', 'firstname', 'hs_object_id', 'lastmodifieddate']);
  const created = answer.results.find((result) => result.id !== id);
  assert.equal(created._new, true);
  assert.equal(created.properties.email, 'bob@example.com');
});

test('upsert: 207 is no exception and names the bad row', async () => {
  const answer = await hubspot.crm.contacts.batchApi.upsert({
    inputs: [upsertInput('ann@example.com', { firstname: 'Ann' }, 'a'), upsertInput('bob@example.com', { nope: '1' }, 'b')],
  });
  assert.equal(answer.numErrors, 1);
  assert.equal(answer.results.length, 1);
  const [error] = answer.errors;
  assert.equal(error.status, 'error');
  assert.equal(error.category, 'VALIDATION_ERROR');
  assert.deepEqual(error.context, { objectWriteTraceId: ['b'] });
  const prefix = 'Property values were not valid: ';
  assert.ok(error.message.startsWith(prefix));
  const [property] = JSON.parse(error.message.slice(prefix.length));
  assert.deepEqual(property, {
    isValid: false,
    message: 'Property "nope" does not exist',
    error: 'PROPERTY_DOESNT_EXIST',
    name: 'nope',
    localizedErrorMessage: 'Property "nope" does not exist',
    portalId: 4720001,
  });
});

test('upsert: 400 refuses the whole batch', async () => {
  const error = await refusal(
    hubspot.crm.contacts.batchApi.upsert({
      inputs: [upsertInput('ann@example.com', { firstname: 'Ann' }), upsertInput('bob@example.com', { nope: '1' })],
    }),
  );
  assert.equal(error.code, 400);
  assert.equal(error.body.status, 'error');
  assert.equal(error.body.category, 'VALIDATION_ERROR');
  assert.deepEqual(error.body.errors, [
    { message: 'Property "nope" does not exist', code: 'PROPERTY_DOESNT_EXIST', context: { propertyName: ['nope'] } },
  ]);
  assert.equal(error.headers['x-hubspot-correlation-id'], error.body.correlationId);
  const page = await hubspot.crm.contacts.basicApi.getPage();
  assert.deepEqual(page.results, []);
});

test('create: 201, then 409 with the existing id', async () => {
  const created = await create('Ann@example.com');
  assert.equal(created.properties.email, 'ann@example.com');
  const error = await refusal(create('ann@example.com'));
  assert.equal(error.code, 409);
  const { correlationId, ...body } = error.body;
  assert.match(correlationId, /^[0-9a-f-]{36}$/);
  assert.deepEqual(body, {
    status: 'error',
    message: `Contact already exists. Existing ID: ${created.id}`,
    category: 'CONFLICT',
  });
});

test('batch read: by address, unknown ones in a 207', async () => {
  const { id } = await create('ann@example.com');
  const answer = await hubspot.crm.contacts.batchApi.read({
    idProperty: 'email',
    properties: ['email', 'city'],
    propertiesWithHistory: [],
    inputs: [{ id: 'ANN@example.com' }, { id: 'nobody@example.com' }],
  });
  assert.equal(answer.results.length, 1);
  assert.equal(answer.results[0].id, id);
  assert.equal(answer.results[0].properties.city, null);
  assert.equal(answer.numErrors, 1);
  assert.equal(answer.errors[0].category, 'OBJECT_NOT_FOUND');
  assert.deepEqual(answer.errors[0].context, { ids: ['nobody@example.com'] });
});

test('search: found once the index has caught up', async () => {
  const { id } = await create('ann@example.com');
  const search = () =>
    hubspot.crm.contacts.searchApi.doSearch({
      filterGroups: [{ filters: [{ propertyName: 'email', operator: 'EQ', value: 'ann@example.com' }] }],
      properties: ['email'],
      sorts: [],
      limit: 10,
      after: '0',
    });
  assert.equal((await search()).total, 0);
  await twin('POST', 'clock', { advance_ms: 5000 });
  const answer = await search();
  assert.equal(answer.total, 1);
  assert.equal(answer.results[0].id, id);
  assert.equal(answer.paging, undefined);
});

test('429 of the window: the SDK recognises it, waits ten seconds and goes on', async (context) => {
  await twin('POST', 'faults', { path: 'batch/upsert', kind: { type: 'window_429' } });
  const waits = [];
  const real = globalThis.setTimeout;
  context.mock.method(globalThis, 'setTimeout', (callback, delay, ...rest) => {
    if (delay >= 1000) waits.push(delay);
    return real(callback, delay >= 1000 ? 0 : delay, ...rest);
  });
  context.mock.method(console, 'error', () => {});
  const answer = await client(2).crm.contacts.batchApi.upsert({ inputs: [upsertInput('ann@example.com', {})] });
  assert.equal(answer.results.length, 1);
  assert.deepEqual(waits.filter((delay) => delay === 10000), [10000]);
  const statuses = (await twin('GET', 'requests')).map((request) => request.status);
  assert.deepEqual(statuses, [429, 200]);
});

test('429 of the day: the SDK does not try again', async () => {
  await twin('PUT', 'rate', { requests: 100, per_ms: 10000, daily: 1 });
  await hubspot.crm.contacts.basicApi.getPage();
  const error = await refusal(client(3).crm.contacts.basicApi.getPage());
  await twin('PUT', 'rate', null);
  assert.equal(error.code, 429);
  assert.equal(error.body.policyName, 'DAILY');
  assert.equal(error.body.message, 'You have reached your daily limit.');
  assert.equal(error.headers['retry-after'], undefined);
  assert.equal(error.headers['x-hubspot-ratelimit-daily-remaining'], '0');
  assert.equal((await twin('GET', 'requests')).length, 2);
});

test('properties: create, list, 409', async () => {
  const api = hubspot.crm.properties.coreApi;
  const definition = {
    name: 'lifetime_value',
    label: 'Lifetime value',
    type: 'number',
    fieldType: 'number',
    groupName: 'contactinformation',
  };
  const created = await api.create('contacts', definition);
  assert.equal(created.name, 'lifetime_value');
  assert.equal(created.hubspotDefined, false);
  assert.deepEqual({ ...created.modificationMetadata }, {
    archivable: true,
    readOnlyDefinition: false,
    readOnlyValue: false,
    readOnlyOptions: false,
  });
  const { results } = await api.getAll('contacts');
  assert.ok(results.some((property) => property.name === 'lifetime_value' && property.type === 'number'));
  const stages = results.find((property) => property.name === 'lifecyclestage');
  assert.equal(stages.options[0].value, 'subscriber');
  const error = await refusal(api.create('contacts', definition));
  assert.equal(error.code, 409);
  assert.equal(error.body.category, 'OBJECT_ALREADY_EXISTS');
  assert.equal(error.body.subCategory, 'Properties.PROPERTY_WITH_NAME_EXISTS');
  assert.equal(error.body.message, "A property named 'lifetime_value' already exists.");
});

test('lists: create, find by name, add, remove', async () => {
  const { id } = await create('ann@example.com');
  const { listsApi, membershipsApi } = hubspot.crm.lists;
  const { list } = await listsApi.create({ name: 'News', objectTypeId: '0-1', processingType: 'MANUAL' });
  assert.equal(list.processingType, 'MANUAL');
  assert.equal(list.size, 0);
  assert.equal((await listsApi.getByName('News', '0-1')).list.listId, list.listId);
  const added = await membershipsApi.add(list.listId, [id, '999']);
  assert.deepEqual({ ...added }, { recordsIdsAdded: [id], recordIdsRemoved: [], recordIdsMissing: ['999'] });
  const page = await membershipsApi.getPage(list.listId);
  assert.deepEqual(page.results.map((member) => member.recordId), [id]);
  const removed = await membershipsApi.remove(list.listId, [id]);
  assert.deepEqual({ ...removed }, { recordsIdsAdded: [], recordIdsRemoved: [id], recordIdsMissing: [] });
  const found = await listsApi.doSearch({ query: 'new', listIds: [], offset: 0, count: 10, processingTypes: [], additionalProperties: [] });
  assert.equal(found.total, 1);
});

test('OAuth: a good refresh token, then a dead one', async () => {
  const refresh = (token) =>
    new Client({ basePath: base }).oauth.tokensApi.create(
      'refresh_token',
      undefined,
      undefined,
      'sandbox-client',
      'sandbox-secret',
      token,
    );
  const granted = await refresh('na1-sandbox-refresh');
  assert.equal(granted.tokenType, 'bearer');
  assert.equal(granted.expiresIn, 1800);
  assert.equal(granted.refreshToken, 'na1-sandbox-refresh');
  const user = new Client({ accessToken: granted.accessToken, basePath: base });
  assert.deepEqual((await user.crm.contacts.basicApi.getPage()).results, []);
  await twin('POST', 'grants/revoke', { token: 'na1-sandbox-refresh' });
  const error = await refusal(refresh('na1-sandbox-refresh'));
  assert.equal(error.code, 400);
  const body = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
  assert.equal(body.status, 'BAD_REFRESH_TOKEN');
});

test('account information on the dated path', async () => {
  const response = await hubspot.apiRequest({ method: 'GET', path: '/account-info/2026-03/details' });
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), {
    portalId: 4720001,
    accountType: 'DEVELOPER_TEST',
    timeZone: 'UTC',
    companyCurrency: 'EUR',
    additionalCurrencies: [],
    utcOffset: '+00:00',
    utcOffsetMilliseconds: 0,
    uiDomain: 'app.hubspot.com',
    dataHostingLocation: 'na1',
  });
});
