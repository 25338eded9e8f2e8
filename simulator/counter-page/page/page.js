const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
const told = /** @type {HTMLElement} */ (document.getElementById('told'));
const groups = /** @type {HTMLElement} */ (document.getElementById('groups'));

/**
 * @param {string} path
 * @param {RequestInit} [init]
 */
function ask(path, init = {}) {
  return fetch(path, { ...init, headers: { authorization: `Bearer ${token}` } });
}

/** @param {{ id: number, label: string }} button */
async function press({ id, label }) {
  told.textContent = `${label} …`;
  try {
    const answer = await ask('press', { method: 'POST', body: String(id) });
    told.textContent = answer.ok ? `${label}: shown` : `${label}: ${await answer.text()}`;
  } catch {
    told.textContent = 'The shop does not answer. Is it still running?';
  }
}

/** @param {string} name */
function groupNamed(name) {
  const found = groups.querySelector(`section[data-name="${CSS.escape(name)}"]`);
  if (found !== null) return found;
  const section = document.createElement('section');
  section.dataset['name'] = name;
  const heading = document.createElement('h2');
  heading.textContent = name;
  section.append(heading);
  groups.append(section);
  return section;
}

const answer = await ask('buttons');
if (answer.ok) {
  const buttons = /** @type {{ id: number, group: string, label: string }[]} */ (await answer.json());
  for (const button of buttons) {
    const element = document.createElement('button');
    element.textContent = button.label;
    element.addEventListener('click', () => void press(button));
    groupNamed(button.group).append(element);
  }
} else {
  told.textContent = 'Open this page with the whole address that npm start prints, with the token.';
}
