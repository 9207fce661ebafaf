"""A script that finds what a page lacks for keyboard and ear."""

# What a screen reader would have no name for, and headings of the page's own (not of an answer's
# text) that skip a level.
FAULTS = """() => {
    const faults = [];
    const seen = (element) => element.checkVisibility({ visibilityProperty: true });
    const name = (element) =>
        element.ariaLabel || element.labels?.[0]?.textContent || element.textContent.trim();
    const controls = "button, a[href], summary, input:not([type=hidden]), textarea, select";
    for (const each of document.querySelectorAll(controls))
        if (seen(each) && !name(each).trim()) faults.push(each.outerHTML.slice(0, 120));
    let level = 0;
    for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
        if (heading.closest(".prose") || !seen(heading)) continue;
        const own = Number(heading.localName[1]);
        if (own > level + 1)
            faults.push(`${heading.localName} after h${level}: ${heading.textContent}`);
        level = own;
    }
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    const again = ids.filter((id, place) => ids.indexOf(id) !== place);
    faults.push(...again.map((id) => `id ${id} twice`));
    if (document.querySelectorAll("main").length !== 1) faults.push("not one main");
    return faults;
}"""
