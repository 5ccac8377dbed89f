// Names and keys that the theme's own parts lack: every dialog, landmark and scrolling table.
function name() {
  document.querySelectorAll('[role="dialog"]:not([aria-label])').forEach(e => e.setAttribute("aria-label", "Search"));
  document.querySelectorAll(".md-code__nav").forEach((e, n) => e.setAttribute("aria-label", "Code " + (n + 1)));
  document.querySelectorAll(".md-typeset__scrollwrap").forEach(e => { e.tabIndex = 0; });
}
new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
name();
