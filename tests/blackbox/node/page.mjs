// The status page in a real browser: node page.mjs CHROMIUM URL TOKEN SITE FOLDER. Holds and releases SITE by keyboard,
// writes screenshots into FOLDER, and prints what it saw as JSON.
import { chromium } from 'playwright-core';

const [executablePath, url, token, site, folder] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
const complaints = [];

async function open(options) {
  const context = await browser.newContext({ httpCredentials: { username: 'anybody', password: token }, ...options });
  const page = await context.newPage();
  page.on('console', said => { if (['error', 'warning'].includes(said.type())) complaints.push(said.text()); });
  page.on('pageerror', error => complaints.push(String(error)));
  await page.goto(url);
  return page;
}

// The lowest contrast of any text with what it stands on (WCAG 2.2, 1.4.3), and whose it is.
function lowestContrast() {
  const parts = colour => colour.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(each => each / 255).map(c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  let lowest = { ratio: 21, text: '' };
  for (const element of document.querySelectorAll('main *')) {
    const own = [...element.childNodes].filter(node => node.nodeType === 3 && node.data.trim());
    if (!own.length || !element.checkVisibility() || element.closest('svg')) continue;
    const [a, b] = [light(parts(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < lowest.ratio) lowest = { ratio, text: own[0].data.trim() };
  }
  return lowest;
}

const isTooWide = () => document.documentElement.scrollWidth > document.documentElement.clientWidth;
const seen = { contrast: {}, tooWide: {} };

async function look(page, name) {
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true, caret: 'initial' });
  seen.contrast[name] = await page.evaluate(lowestContrast);
  seen.tooWide[name] = await page.evaluate(isTooWide);
}

try {
  const page = await open({ colorScheme: 'light', viewport: { width: 1280, height: 900 } });
  // By keyboard alone: to the field, the form, the confirmation.
  await page.getByLabel('Name').focus();
  await page.keyboard.type(site);
  await page.keyboard.press('Tab');
  await page.keyboard.type('a <b>reason</b>');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: `Hold site ${site}?` }).waitFor();
  await look(page, 'confirm-light');
  await page.getByRole('button', { name: `Hold ${site}` }).press('Enter');
  await page.getByRole('status').filter({ hasText: `of site ${site}` }).waitFor();
  seen.held = await page.locator('#holds tbody tr').innerText();
  await look(page, 'held-light');

  // Parts are taken over by themselves, what is being typed stays.
  const box = page.getByLabel('Host or URL');
  await box.fill('half a na');
  await page.locator('#foot').evaluate(foot => { foot.dataset.old = 'yes'; });
  await page.waitForFunction(() => !document.getElementById('foot').dataset.old);
  seen.typed = await box.inputValue();
  await box.fill(site);
  await box.press('Enter');
  await page.locator('dl.steps').waitFor();
  seen.explained = await page.locator('dl.steps').innerText();

  for (const [name, colorScheme, width] of [['dark', 'dark', 1280], ['narrow-light', 'light', 360], ['narrow-dark', 'dark', 360]]) {
    const other = await open({ colorScheme, viewport: { width, height: 800 } });
    await look(other, name);
    seen[name] = await other.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await other.context().close();
  }

  const release = page.getByRole('button', { name: `Release site ${site}` });
  await release.press('Enter');
  await page.getByRole('heading', { name: `Release site ${site}?` }).waitFor();
  await page.getByRole('button', { name: `Release ${site}` }).press('Enter');
  await page.getByRole('status').filter({ hasText: 'ended, released' }).waitFor();
  await look(page, 'released-light');

  // Without scripts it is the same page and the same forms.
  const plain = await open({ javaScriptEnabled: false });
  seen.withoutScripts = await plain.getByRole('link', { name: 'look again' }).isVisible();
  await plain.getByLabel('Name').fill(site);
  await plain.getByRole('button', { name: 'Hold…' }).click();
  await plain.getByRole('button', { name: `Hold ${site}` }).click();
  await plain.getByRole('status').filter({ hasText: `of site ${site}` }).waitFor();
  console.log(JSON.stringify({ ...seen, complaints }));
} finally {
  await browser.close();
}
