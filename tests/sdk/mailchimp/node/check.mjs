// The official Node SDK against a running twin: node check.mjs http://127.0.0.1:PORT
//
// The SDK was written by the vendor, so the paths, verbs, credentials and queries it sends and how it
// reads answers are an independent opinion on the twin. It ships no models: shapes are compared here.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { beforeEach, test } from 'node:test';

const base = process.argv[2];
if (!base) {
  console.error('usage: node check.mjs URL_OF_THE_TWIN');
  process.exit(2);
}
const mailchimp = createRequire(import.meta.url)('@mailchimp/mailchimp_marketing');
const KEY = '0123456789abcdef0123456789abcdef-us1';
const LIST = 'a1b2c3d4e5';
// The export is one client for everybody, and setting its credentials also sets its address.
function credentials(config) {
  mailchimp.setConfig({ server: 'us1', ...config });
  mailchimp.basePath = `${base}/3.0`;
}
const hash = (email) => createHash('md5').update(email.toLowerCase()).digest('hex');

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

const add = (email, merge_fields = {}) =>
  mailchimp.lists.addListMember(LIST, { email_address: email, status: 'subscribed', merge_fields });

beforeEach(async () => {
  credentials({ apiKey: KEY });
  await twin('POST', 'reset');
});

test('ping: with a key, with a token, with neither', async () => {
  assert.deepEqual({ ...(await mailchimp.ping.get()) }, { health_status: "Everything's Chimpy!" });
  credentials({ apiKey: undefined, accessToken: 'sandbox-token' });
  assert.equal((await mailchimp.ping.get()).health_status, "Everything's Chimpy!");
  credentials({ accessToken: 'nope' });
  const error = await refusal(mailchimp.ping.get());
  assert.equal(error.status, 401);
  assert.equal(error.response.body.title, 'API Key Invalid');
});

test('the audience and its fields', async () => {
  const { lists, total_items } = await mailchimp.lists.getAllLists();
  assert.deepEqual([lists[0].id, total_items], [LIST, 1]);
  assert.equal((await mailchimp.lists.getList(LIST)).stats.merge_field_count, 4);
  const field = await mailchimp.lists.addListMergeField(LIST, { name: 'LTV', tag: 'LTV', type: 'number' });
  assert.deepEqual([field.merge_id, field.tag, field.required], [5, 'LTV', false]);
  const { merge_fields } = await mailchimp.lists.getListMergeFields(LIST, { count: 1000, fields: ['merge_fields.tag'] });
  assert.deepEqual(merge_fields, ['ADDRESS', 'FNAME', 'LNAME', 'LTV', 'PHONE'].map((tag) => ({ tag })));
});

test('batch: 200 with three arrays, whatever became of the members', async () => {
  await add('known@domain.tld');
  const member = (email_address, merge_fields) => ({ email_address, status_if_new: 'subscribed', merge_fields });
  const body = {
    members: [member('ada@domain.tld', { FNAME: 'Ada' }), member('known@domain.tld', { FNAME: 'K' }), member('foo@example.com')],
    update_existing: true,
  };
  const answer = await mailchimp.lists.batchListMembers(LIST, body, { skipMergeValidation: true, skip_duplicate_check: true });
  assert.deepEqual([answer.total_created, answer.total_updated, answer.error_count], [1, 1, 1]);
  assert.equal(answer.new_members[0].id, hash('ada@domain.tld'));
  assert.deepEqual(answer.errors[0], {
    email_address: 'foo@example.com',
    error: 'foo@example.com looks fake or invalid, please enter a real email address.',
    error_code: 'ERROR_GENERIC',
    field: '',
    field_message: '',
  });
  const requests = await twin('GET', 'requests');
  assert.equal(requests.at(-1).query, 'skip_merge_validation=true&skip_duplicate_check=true');
});

test('members: created, upserted, patched, archived, deleted for good', async () => {
  const email = 'ada@domain.tld';
  const created = await add(email, { FNAME: 'Ada' });
  assert.equal(created.merge_fields.LNAME, '');
  const again = await refusal(add(email));
  assert.deepEqual([again.status, again.response.body.title], [400, 'Member Exists']);
  assert.equal(again.response.body.type, undefined);
  const put = await mailchimp.lists.setListMember(LIST, hash(email), {
    email_address: email,
    status_if_new: 'subscribed',
    merge_fields: { FNAME: '' },
  });
  assert.equal(put.merge_fields.FNAME, '');
  const patched = await mailchimp.lists.updateListMember(LIST, hash(email), { email_address: 'new@domain.tld' });
  assert.deepEqual([patched.id, patched.contact_id], [hash('new@domain.tld'), created.contact_id]);
  assert.equal(await mailchimp.lists.deleteListMember(LIST, patched.id), null);
  assert.equal((await mailchimp.lists.getListMember(LIST, patched.id)).status, 'archived');
  assert.equal((await refusal(mailchimp.lists.deleteListMember(LIST, patched.id))).status, 405);
  assert.equal(await mailchimp.lists.deleteListMemberPermanent(LIST, patched.id), null);
  const forgotten = await refusal(add('new@domain.tld'));
  assert.equal(forgotten.response.body.title, 'Forgotten Email Not Subscribed');
});

test('a bad value names its field', async () => {
  await add('ada@domain.tld');
  const error = await refusal(
    mailchimp.lists.updateListMember(LIST, hash('ada@domain.tld'), { merge_fields: { ADDRESS: 'x' } }),
  );
  assert.equal(error.status, 400);
  assert.deepEqual(error.response.body.errors, [{ field: 'ADDRESS', message: 'Please enter a complete address' }]);
  assert.equal(error.response.body.instance, error.response.header['x-request-id']);
});

test('consent: only the contact comes back', async () => {
  await add('ada@domain.tld');
  await twin('POST', 'members/unsubscribe', { list_id: LIST, email_address: 'ada@domain.tld' });
  const set = (body) => mailchimp.lists.setListMember(LIST, hash('ada@domain.tld'), body);
  const error = await refusal(set({ status: 'subscribed' }));
  assert.equal(error.response.body.title, 'Member In Compliance State');
  assert.equal((await set({ merge_fields: { FNAME: 'Ada' } })).status, 'unsubscribed');
});

test('tags, events, static segments', async () => {
  await add('ada@domain.tld');
  const id = hash('ada@domain.tld');
  const tags = { tags: [{ name: 'vip', status: 'active' }], is_syncing: true };
  assert.equal(await mailchimp.lists.updateListMemberTags(LIST, id, tags), null);
  const { tags: found } = await mailchimp.lists.getListMemberTags(LIST, id);
  assert.equal(found[0].name, 'vip');
  assert.equal(await mailchimp.lists.createListMemberEvent(LIST, id, { name: 'bought', properties: { sku: 'A' } }), null);
  const change = { members_to_remove: ['ada@domain.tld'] };
  const answer = await mailchimp.lists.batchSegmentMembers(change, LIST, String(found[0].id));
  assert.equal(answer.total_removed, 1);
});

test('interests', async () => {
  const { id } = await mailchimp.lists.createListInterestCategory(LIST, { title: 'Topics', type: 'checkboxes' });
  const interest = await mailchimp.lists.createInterestCategoryInterest(LIST, id, { name: 'News' });
  const member = await mailchimp.lists.addListMember(LIST, {
    email_address: 'ada@domain.tld',
    status: 'subscribed',
    interests: { [interest.id]: true },
  });
  assert.deepEqual(member.interests, { [interest.id]: true });
});

test('batches: submitted, finished, fetched without credentials', async () => {
  const operation = { method: 'GET', path: '/ping', operation_id: 'p' };
  const { id, status } = await mailchimp.batches.start({ operations: [operation] });
  assert.equal(status, 'pending');
  let batch;
  do batch = await mailchimp.batches.status(id);
  while (batch.status !== 'finished');
  assert.deepEqual([batch.total_operations, batch.errored_operations], [1, 0]);
  const results = await fetch(batch.response_body_url);
  assert.equal(results.status, 200);
  assert.deepEqual([...new Uint8Array(await results.arrayBuffer()).slice(0, 2)], [0x1f, 0x8b]);
});

test('too many at the same time: 429 without a word on when to come back', async () => {
  await twin('PUT', 'connections', 2);
  await twin('PUT', 'latency', { ms: 300 });
  const calls = await Promise.allSettled(Array.from({ length: 4 }, () => mailchimp.ping.get()));
  await twin('PUT', 'latency', { ms: 0 });
  await twin('PUT', 'connections', 10);
  const refused = calls.filter((call) => call.status === 'rejected').map((call) => call.reason);
  assert.equal(refused.length, 2);
  for (const { status, response } of refused) {
    assert.equal(status, 429);
    assert.equal(response.body.title, 'Too Many Requests');
    assert.equal(response.header['retry-after'], undefined);
  }
});

test('throttling without JSON', async () => {
  await twin('POST', 'faults', { kind: { type: 'edge_403' } });
  const error = await refusal(mailchimp.ping.get());
  assert.deepEqual([error.status, error.response.type], [403, 'text/html']);
});
