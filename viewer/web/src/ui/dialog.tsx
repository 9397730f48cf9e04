// What lies over the page: dialogs, questions and short messages.

import { type ComponentChildren, render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from './marks';

/** Dialog is shown as long as it is there, keeps the focus in it, and gives it back. */
export function Dialog({ title, onClose, wide, children }: { title: string; onClose: () => void; wide?: boolean; children: ComponentChildren }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    const dialog = ref.current!;
    dialog.showModal();
    return () => {
      dialog.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      class={wide ? 'dialog wide' : 'dialog'}
      aria-label={title} // An id would not do: questions are drawn beside the page, which counts ids for itself.
      onCancel={(e) => {
        if (e.target !== ref.current) return; // a file chooser in it was closed
        e.preventDefault();
        onClose();
      }}
      onKeyDown={(e) => e.stopPropagation()} // The keys of the page beneath rest.
    >
      <div class="inside">
        <header>
          <h2>{title}</h2>
          <button type="button" class="plain" onClick={onClose} aria-label="Close">
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** Question is what somebody is asked before something is done. */
export interface Question {
  title: string; // "Delete the user ada?"
  text?: ComponentChildren; // what follows from it
  action: string; // the word on the button that does it: "Delete"
  danger?: boolean; // it takes something away
}

/** confirm asks, and says whether the answer is yes. */
export function confirm(question: Question): Promise<boolean> {
  const host = document.body.appendChild(document.createElement('div'));
  return new Promise((resolve) => {
    const answer = (yes: boolean) => {
      render(null, host);
      host.remove();
      resolve(yes);
    };
    render(
      <Dialog title={question.title} onClose={() => answer(false)}>
        {question.text ? <p class="soft">{question.text}</p> : null}
        <div class="actions">
          <button type="button" autofocus onClick={() => answer(false)}>
            Cancel
          </button>
          <button type="button" class={question.danger ? 'danger' : 'primary'} onClick={() => answer(true)}>
            {question.action}
          </button>
        </div>
      </Dialog>,
      host,
    );
  });
}

const toastFor = 5000; // ms
let toasts: HTMLElement | undefined;
let fading = 0;

/** toast tells of something that was done: "Saved." What went wrong belongs beside what
 * failed instead, where it stays. */
export function toast(text: string): void {
  if (!toasts) {
    toasts = document.body.appendChild(document.createElement('div'));
    toasts.className = 'toast';
    toasts.setAttribute('role', 'status');
    toasts.popover = 'manual'; // above dialogs, too
  }
  const box = toasts;
  clearTimeout(fading);
  if (box.isConnected && box.matches(':popover-open')) box.hidePopover();
  box.textContent = '';
  box.showPopover?.();
  // In a turn of its own: screen readers tell changes of what is there already.
  setTimeout(() => (box.textContent = text), 50);
  fading = window.setTimeout(() => box.hidePopover?.(), toastFor);
}

/** copy puts a text on the clipboard, and says whether it could. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // the browser allows it on secure addresses alone
  }
}
