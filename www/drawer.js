// The side of the page: beside it on a wide screen, over it on a narrow one, where the rest cannot be reached meanwhile.
import { element } from './page.js';

const narrow = matchMedia('(max-width: 60rem)');

export function setUpDrawer() {
  const menu = element('menu', HTMLButtonElement);
  const drawer = element('drawer', HTMLElement);
  const desk = element('desk', HTMLElement);
  const shade = element('shade', HTMLElement);

  /** @param {boolean} open */
  const set = (open) => {
    const over = open && narrow.matches;
    document.body.classList.toggle('drawer-open', over);
    menu.setAttribute('aria-expanded', String(over));
    desk.inert = over;
    drawer.inert = narrow.matches && !over;
    shade.hidden = !over;
  };
  set(false);
  narrow.addEventListener('change', () => set(false));
  menu.addEventListener('click', () => {
    set(true);
    element('close-menu', HTMLButtonElement).focus();
  });
  const close = () => {
    if (!document.body.classList.contains('drawer-open')) return;
    set(false);
    menu.focus({ preventScroll: true }); // it is in view, and some browsers scroll for what sticks
  };
  element('close-menu', HTMLButtonElement).addEventListener('click', close);
  shade.addEventListener('click', close);
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape') close();
  });
  return { close };
}
