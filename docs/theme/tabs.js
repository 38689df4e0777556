// Makes tabs of the headings of the third level inside `<div class="tabs">`. The language that was chosen is kept for the other
// pages, and shown on all groups of a page at once.
(() => {
    const KEY = "simple-ipc-language";
    const groups = [];

    function show(name) {
        for (const group of groups) {
            const chosen = group.some((tab) => tab.name === name) ? name : group[0].name;
            for (const tab of group) {
                tab.panel.hidden = tab.name !== chosen;
                tab.button.setAttribute("aria-selected", String(tab.name === chosen));
            }
        }
    }

    for (const element of document.querySelectorAll("div.tabs")) {
        const group = [];
        const names = document.createElement("div");
        names.className = "tab-names";
        names.setAttribute("role", "tablist");
        for (const child of [...element.children]) {
            if (child.tagName === "H3") {
                const name = child.textContent.trim();
                const panel = document.createElement("div");
                panel.className = "tab";
                panel.setAttribute("role", "tabpanel");
                // A link to the heading still finds the tab.
                panel.id = child.id;
                const button = document.createElement("button");
                button.type = "button";
                button.textContent = name;
                button.setAttribute("role", "tab");
                button.addEventListener("click", () => {
                    try {
                        localStorage.setItem(KEY, name);
                    } catch {
                        // A browser may keep nothing for this page; the tabs change all the same.
                    }
                    show(name);
                });
                names.append(button);
                group.push({ name, panel, button });
                child.remove();
            } else if (group.length > 0) {
                group.at(-1).panel.append(child);
            }
        }
        if (group.length === 0) continue;
        element.append(names, ...group.map((tab) => tab.panel));
        groups.push(group);
    }
    if (groups.length === 0) return;
    let chosen = null;
    try {
        chosen = localStorage.getItem(KEY);
    } catch {
        // As above.
    }
    const linked = location.hash && groups.flat().find((tab) => `#${tab.panel.id}` === location.hash);
    show(linked ? linked.name : chosen);
})();
