// Walks the pages of a daemon that serves the demo's project.
//
//   node browse.mjs URL CHROMIUM PICTURES
//
// Tokens are in OUTFLOW_MARKETER (viewer) and OUTFLOW_OPERATOR. Checked on every page, in light and dark, wide and on a
// phone: no message on the console, nothing the content policy had to forbid, nothing that sticks out to the right,
// one heading of the first rank, a label for every field, text that stands out from its ground.
import { join } from "node:path";
import { chromium } from "playwright-core";

const [url, executablePath, pictures] = process.argv.slice(2);
const { OUTFLOW_MARKETER: viewer, OUTFLOW_OPERATOR: operator } = process.env;
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

let failed = 0;
const check = (ok, line) => {
  failed += !ok;
  console.log(`result ${ok ? "ok  " : "FAIL"}  pages: ${line}`);
};

// A fresh profile of its own, in a folder of its own.
const browser = await chromium.launch({ executablePath, headless: true, args: flags });

const context = async (settings) => {
  const made = await browser.newContext({ baseURL: url, ...settings });
  made.setDefaultTimeout(20_000);
  const complaints = [];
  await made.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      console.error(`forbidden by the policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  const page = await made.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`${page.url()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error}`));
  return { page, complaints, close: () => made.close() };
};

const signIn = async (page, token, path = "/") => {
  await page.goto(path);
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(url + path);
};

/// What is wrong with a page as it is laid out; nothing, if all is well.
const faults = (page) => page.evaluate(() => {
  const found = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) found.push(`it is ${document.documentElement.scrollWidth} wide, not ${width}`);
  for (const element of document.querySelectorAll("main *, header *")) {
    const box = element.getBoundingClientRect();
    if (box.width > 1 && box.right > width + 1) found.push(`<${element.localName} class="${element.className}"> sticks out`);
  }
  if (document.querySelectorAll("h1").length !== 1) found.push("it has not one h1");
  for (const field of document.querySelectorAll("input:not([type=hidden]), select")) {
    if (!field.labels?.length) found.push(`the field ${field.name} has no label`);
  }
  const channels = (text) => text.match(/[\d.]+/g).map(Number);
  const luminance = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((one) => {
      const share = one / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.getClientRects().length) continue;
    const [one, other] = [luminance(channels(getComputedStyle(element).color)), luminance(ground(element))].sort();
    const contrast = (other + 0.05) / (one + 0.05);
    if (contrast < 4.5) found.push(`"${walker.currentNode.data.trim()}" has a contrast of ${contrast.toFixed(1)}`);
  }
  return [...new Set(found)].slice(0, 8);
});

const looks = [
  ["light", { colorScheme: "light", viewport: { width: 1280, height: 900 } }],
  ["dark", { colorScheme: "dark", viewport: { width: 1280, height: 900 } }],
  ["phone", { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }],
  ["phone-dark", { colorScheme: "dark", viewport: { width: 320, height: 640 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }],
];

const lookUp = (who) => async (page) => {
  await page.goto("/contact");
  await page.getByLabel("Key or e-mail address").fill(who);
  await page.getByRole("button", { name: "Look up" }).click();
  await page.locator("main section, main [role=status]").first().waitFor();
};

const walk = async (name, settings) => {
  const { page, complaints, close } = await context(settings);
  const at = async (place, shown = true) => {
    const wrong = await faults(page);
    check(wrong.length === 0, `${name}, ${place}: ${wrong.join("; ") || "well laid out"}`);
    if (shown) await page.screenshot({ path: join(pictures, `${place}-${name}.png`), fullPage: true });
  };
  await page.goto("/");
  await at("sign-in");
  await signIn(page, operator);
  await at("overview");
  const syncs = await page.locator("main h2 a").allTextContents();
  for (const sync of syncs) {
    await page.goto(`/syncs/${sync}`);
    await at(`sync-${sync}`);
    await page.goto(`/syncs/${sync}/rejects`);
    await at(`rejects-${sync}`);
  }
  await page.goto(`/syncs/${syncs[1]}`);
  let slowest = 0;
  for (const run of (await page.locator("table a[href^='/runs/']").evaluateAll((links) => [...new Set(links.map((link) => link.pathname))])).slice(-3)) {
    await page.goto(run);
    slowest += await page.locator("#slowest").count();
    await at(`run-${run.split("/").pop()}`);
  }
  check(slowest > 0, `${name}: a run names its slowest requests`);
  await page.goto("/contact");
  await at("contact");
  for (const [place, who] of [["contact-key", "42"], ["contact-unknown", "nobody@example.com"]]) {
    await lookUp(who)(page);
    await at(place);
  }
  await page.goto("/fields");
  await at("fields");
  check(complaints.length === 0, `${name}: ${complaints.join("; ") || "no message on the console"}`);
  complaints.length = 0;
  await page.goto("/runs/999999");
  await at("missing");
  // That a page is missing, a browser says by itself.
  const others = complaints.filter((text) => !text.includes("404"));
  check(others.length === 0, `${name}, missing: ${others.join("; ") || "no message on the console"}`);
  await close();
  return syncs;
};

/// Everything works without a script: sign in, press, look up, sign out.
const withoutScript = async (sync) => {
  const { page, complaints, close } = await context({ javaScriptEnabled: false });
  await signIn(page, operator, `/syncs/${sync}`);
  const press = async (button, expected) => {
    await page.getByRole("button", { name: button, exact: true }).click();
    const told = (await page.getByRole("status").textContent()).trim();
    check(told.startsWith(expected), `without JavaScript, ${button}: ${told}`);
  };
  await press("Pause", "Paused");
  await press("Resume", "Resumed");
  await press("Run now", "It runs as soon as it may");
  await press("Cancel the run", "It stops");
  await page.goto(`/syncs/${sync}/rejects`);
  await press("Try again in the next run", "The next run tries");
  await page.goto(`/syncs/${sync}/rejects`);
  await page.getByRole("button", { name: "Explain" }).first().click();
  check(await page.locator("main section h2").count() === 1 && page.url() === `${url}/contact`,
    "without JavaScript, a reject is explained, and its key is in no address");
  await page.getByLabel("Key or e-mail address").fill("42");
  await page.getByLabel("Sync").selectOption(sync);
  await page.getByRole("button", { name: "Look up" }).click();
  check(await page.locator("main section h2").count() === 1, "without JavaScript, a contact is found");
  await page.getByRole("button", { name: "Sign out" }).click();
  check(page.url() === `${url}/sign-in`, "without JavaScript, somebody signs out");
  await page.goto("/");
  check(page.url() === `${url}/sign-in`, "who has signed out is asked to sign in");
  check(complaints.length === 0, `without JavaScript: ${complaints.join("; ") || "no message on the console"}`);
  await close();
};

/// With a script, a page follows the run it shows.
const live = async (sync) => {
  const { page, complaints, close } = await context({ viewport: { width: 1280, height: 900 } });
  await signIn(page, operator, `/syncs/${sync}`);
  const runs = page.locator("table a[href^='/runs/']");
  const newest = async () => (await page.locator("#runs + * tbody a").first().textContent()).trim();
  const before = await newest();
  await page.getByRole("button", { name: "Run now" }).click();
  const progress = page.locator(`.live[data-sync='${sync}']`);
  await progress.getByText(/, [\d,]+ of [\d,]+/).waitFor({ timeout: 60_000 });
  const words = (await progress.textContent()).trim();
  check(await progress.getByRole("progressbar").isVisible(), `a run is watched: ${words}`);
  await page.screenshot({ path: join(pictures, "live.png") });
  await page.waitForFunction((text) => document.querySelector(".live span").textContent !== text, words, { timeout: 60_000 });
  check(true, "its progress moves without a reload");
  await page.locator("main .pill", { hasText: "Fresh" }).first().waitFor({ timeout: 300_000 });
  check(await newest() !== before && await runs.count() > 0, `its end appears without a reload: run ${await newest()}`);
  check(await progress.isHidden(), "and its progress is gone");
  await page.goto("/fields");
  await page.getByLabel("Find a field").fill("city");
  const shown = await page.locator("tr[data-text]:visible").count();
  check(shown > 0 && shown < await page.locator("tr[data-text]").count(), `a field is found by its name: ${shown} shown`);
  check(complaints.length === 0, `live: ${complaints.join("; ") || "no message on the console"}`);
  await close();
};

/// A viewer has no buttons.
const looksOnly = async (sync) => {
  const { page, close } = await context({});
  await signIn(page, viewer);
  for (const path of [`/syncs/${sync}`, `/syncs/${sync}/rejects`]) {
    await page.goto(path);
    const buttons = (await page.locator("main .actions button").count());
    check(buttons === 0, `a viewer sees no button on ${path}`);
  }
  await close();
};

try {
  let syncs = [];
  for (const [name, settings] of looks) syncs = await walk(name, settings);
  const sync = syncs.find((one) => one.includes("hubspot")) ?? syncs[0];
  await looksOnly(sync);
  await withoutScript(sync);
  await live(sync);
} catch (error) {
  check(false, `${error.stack ?? error}`);
} finally {
  await browser.close();
}
process.exit(failed ? 1 : 0);
