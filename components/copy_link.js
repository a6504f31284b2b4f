// Copies the address of the page. Browsers offer the clipboard on https and on this machine only, so there is an older way beside it.

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedByHand(text);
  }
}

function copiedByHand(text) {
  const area = document.createElement("textarea"), focused = document.activeElement;
  area.value = text;
  area.style.cssText = "position: fixed; opacity: 0";
  (focused?.closest("[role=dialog]") ?? document.body).append(area);  // a dialog keeps the focus inside itself
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}

export default function ({ parentElement, setTriggerValue }) {
  const said = parentElement.querySelector(".said"), button = parentElement.querySelector("button");
  // Charts are coloured on the server: when the theme changes, which the button's background shows, they must be drawn again.
  button.ontransitionend = (event) => { if (event.propertyName === "background-color") setTriggerValue("theme", Date.now()); };
  button.onclick = async () => {
    said.textContent = (await copied(window.location.href)) ? "Copied" : "Copy it from the address bar";
    clearTimeout(parentElement.fading);
    parentElement.fading = setTimeout(() => { said.textContent = ""; }, 4000);
  };
}
