/// A run as one page for a browser, without any outside resource: a summary, then the diagram,
/// with each event's words under the pointer and the order of any two.
///
/// - Safety: all text is escaped; nothing is loaded and nothing leaves the page.
package struct DiagramPage: Sendable {
  private let recording: Recording
  private let report: RunReport
  private let diagram: Diagram

  package init(_ recording: Recording, _ report: RunReport) {
    self.recording = recording
    self.report = report
    diagram = Diagram(recording, .page)
  }

  package var text: String {
    let drawing = Drawing(diagram)
    return """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width">
      <title>\(escaped(report.title))</title>
      <style>\(Self.style)\(Diagram.style)</style>
      </head>
      <body>
      <main>
      \(summary)
      </main>
      <div id="names">
      <svg width="1360" height="42" viewBox="0 0 1360 42">\(diagram.names)</svg>
      </div>
      \(diagram.picture(drawing))
      <div id="tip" hidden></div>
      \(Self.controls)
      <script type="application/json" id="events">\(events(drawing))</script>
      <script>\(Self.script)</script>
      </body>
      </html>

      """
  }

  // MARK: The summary

  private var summary: String {
    var out = ["<h1>\(escaped(report.title))</h1>"]
    let story = recording.scenario.story
    if !story.isEmpty { out.append("<p class=\"story\">\(escaped(story))</p>") }
    let passed = report.passed
    out.append(
      "<p class=\"verdict \(passed ? "pass" : "fail")\">\(escaped(report.verdict))"
        + (passed ? "" : " <a href=\"#violation\">show it</a>") + "</p>")
    if passed, let words = report.brokenWords {
      out.append(
        "<p class=\"verdict fail\">\(escaped(words)) <a href=\"#violation\">show it</a></p>")
    }
    out.append("<p class=\"figures\">\(escaped(figures))</p>")
    if let explanation = diagram.explanation { out.append(list(explanation)) }
    out.append(
      "<svg class=\"legend\" width=\"1310\" height=\"52\" viewBox=\"0 -10 1310 52\">"
        + "\(diagram.legend)</svg>")
    out.append("<p class=\"hint\">\(escaped(hint))</p>")
    return out.joined(separator: "\n")
  }

  private var figures: String {
    let statistics = report.statistics
    var parts = [
      "\(counted(report.replicas, "replica")), quorum \(recording.scenario.cluster.quorum)",
      "seed 0x\(String(report.seed, radix: 16))",
      "\(seconds(statistics.simulated, digits: 1)) s simulated",
      "\(counted(statistics.heightHighest.number, "height")) in "
        + counted(statistics.viewHighest.number, "view"),
      "\(counted(statistics.deliveries, "message")) delivered, \(statistics.lost) lost",
      counted(statistics.crashes, "crash", "crashes"),
    ]
    if let planted = report.planted { parts.append("rule broken on purpose: \(planted)") }
    if !report.accused.isEmpty {
      parts.append(
        "evidence names \(Recording.list(report.accused.map(\.description)))")
    }
    return parts.joined(separator: " · ")
  }

  private var hint: String {
    let first = seconds(diagram.scale.first, digits: 3)
    let last = seconds(diagram.scale.last, digits: 3)
    let colours =
      report.shown == nil
      ? ""
      : " What led to the violation is in ink, the rest in grey; numbers are those of the list."
    return
      "Time runs downwards from \(first) s to \(last) s; \(diagram.caption).\(colours) Point at "
      + "a message or an event to read it; click two to learn their order."
  }

  private func list(_ explanation: Explanation) -> String {
    var out = "<ol>"
    for line in explanation.lines {
      let shown = line.events.first { diagram.number($0) != nil && diagram.holds($0) }
      let words = escaped(line.text)
      let linked = shown.map { "<a href=\"#e\($0)\">\(words)</a>" } ?? words
      out += "<li><time>\(seconds(line.time, digits: 3)) s</time>\(linked)</li>\n"
    }
    return out + "</ol>"
  }

  // MARK: What the script knows

  /// A row an event: words, lane, x, y, the sending's x and y or nulls, vector clock.
  private func events(_ drawing: Drawing) -> String {
    let clocks = HappensBefore(recording)
    var rows: [String] = []
    for id in diagram.shown {
      guard let event = recording[id], let clock = clocks.clock(id) else { continue }
      let place = drawing.places[id] ?? (diagram.x(event.lane), diagram.scale.y(event.time))
      var from = "null,null"
      if case .arrived(_, let sender) = event.act, let sending = recording[event.cause] {
        from = "\(pixels(diagram.x(sender))),\(pixels(diagram.scale.y(sending.time)))"
      }
      let words =
        "\(seconds(event.time, digits: 6)) s  \(recording.name(of: event.lane)) "
        + recording.words(event)
      let counts = clock.map { "\($0)" }.joined(separator: ",")
      rows.append(
        "[\(quotedForScript(words)),\(event.lane),\(pixels(place.x)),\(pixels(place.y)),\(from),"
          + "[\(counts)],\(diagram.isInk(id) ? 1 : 0)]")
    }
    return "[\(rows.joined(separator: ",\n"))]"
  }

  // MARK: Looks and behaviour

  private static let controls = """
    <div id="panel"><p id="order">Click two events to learn their order.</p>
    <p><button id="out" aria-label="smaller">−</button>
    <button id="fit">100 %</button>
    <button id="in" aria-label="larger">+</button></p></div>
    """

  private static let style = """
    html{background:#f4f1ea}body{margin:0;color:#222;background:#f4f1ea;\
    font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
    main{max-width:1312px;padding:28px 24px 8px}
    h1{font-size:26px;line-height:1.25;margin:0 0 6px;font-weight:650}
    .story{max-width:80ch;margin:0 0 12px;color:#444}
    .verdict{display:inline-block;margin:0 0 8px;padding:6px 12px;border-radius:4px;font-weight:650}
    .pass{background:#d9efe6;color:#00593f}.fail{background:#b00020;color:#fff}
    .fail a{color:#fff;margin-left:1em;font-weight:400}
    .figures,.hint{margin:4px 0 10px;color:#555;font-size:13.5px}
    ol{margin:8px 0 14px;padding:10px 16px 10px 44px;background:#fffdfa;border-radius:6px;\
    font-size:14px;line-height:1.6}
    ol a{color:inherit;text-decoration-color:#bbb;text-underline-offset:3px}
    ol li:last-child{color:#b00020;font-weight:650}ol li::marker{color:#888;font-weight:400}
    time{display:inline-block;min-width:5.2em;color:#777;font-variant-numeric:tabular-nums;\
    font-weight:400}
    .legend{display:block}
    #names{position:sticky;top:0;z-index:2;background:#fffdfaf2;border-bottom:1px solid #ddd;\
    width:max-content}
    #names svg,#diagram{display:block}#diagram{margin-bottom:120px}
    #tip{position:fixed;z-index:4;max-width:440px;padding:5px 9px;border-radius:4px;\
    background:#111;color:#fff;font-size:12.5px;pointer-events:none;white-space:pre-wrap}
    #panel{position:fixed;z-index:3;right:16px;bottom:16px;max-width:420px;padding:6px 12px;\
    background:#fffdfae6;border:1px solid #ccc;border-radius:6px;font-size:13px;\
    box-shadow:0 2px 10px #0002}
    #panel p{margin:2px 0}#panel b{font-weight:650}
    button{font:inherit;padding:1px 10px;border:1px solid #bbb;border-radius:4px;background:#fff}
    .near{fill:none;stroke:#111;stroke-width:2.6}.mark{fill:none;stroke:#b00020;stroke-width:2.4}
    .mark-name{font-weight:700;font-size:14px;fill:#b00020}
    """

  private static let script = """
    "use strict";
    const rows = JSON.parse(document.getElementById("events").textContent);
    const diagram = document.getElementById("diagram");
    const names = document.querySelector("#names svg");
    const over = document.getElementById("over"), tip = document.getElementById("tip");
    const order = document.getElementById("order"), fit = document.getElementById("fit");
    const [WORDS, LANE, X, Y, FROM_X, FROM_Y, CLOCK, INK] = [0, 1, 2, 3, 4, 5, 6, 7];
    const width = diagram.viewBox.baseVal.width, height = diagram.viewBox.baseVal.height;
    let zoom = 1, chosen = [];

    function pointer(event) {
      const box = diagram.getBoundingClientRect();
      return [(event.clientX - box.left) / zoom, (event.clientY - box.top) / zoom];
    }
    function distance(px, py, ax, ay, bx, by) {
      const dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy;
      const along = length ? ((px - ax) * dx + (py - ay) * dy) / length : 0;
      const share = Math.max(0, Math.min(1, along));
      return Math.hypot(px - ax - share * dx, py - ay - share * dy);
    }
    // The event under the pointer: glyphs before lines, ink before grey.
    function nearest(px, py) {
      let best = null, least = 9;
      for (const row of rows) {
        const grey = row[INK] ? 0 : 2, top = Math.min(row[FROM_Y], row[Y]) - 6;
        if (row[FROM_X] === null) {
          const gap = Math.hypot(px - row[X], py - row[Y]) + grey - 3;
          if (gap < least) { least = gap; best = row; }
        } else if (py >= top && py <= Math.max(row[FROM_Y], row[Y]) + 6) {
          const gap = distance(px, py, row[FROM_X], row[FROM_Y], row[X], row[Y]) + grey + 1;
          if (gap < least) { least = gap; best = row; }
        }
      }
      return best;
    }
    function element(name, attributes, text) {
      const made = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const key in attributes) made.setAttribute(key, attributes[key]);
      if (text) made.textContent = text;
      over.appendChild(made);
    }
    function outline(row, style) {
      if (row[FROM_X] !== null) {
        element("line", { x1: row[FROM_X], y1: row[FROM_Y], x2: row[X], y2: row[Y], class: style });
      }
      element("circle", { cx: row[X], cy: row[Y], r: 9, class: style });
    }
    function draw(near) {
      over.replaceChildren();
      if (near) outline(near, "near");
      chosen.forEach((row, place) => {
        outline(row, "mark");
        element("text", { x: row[X] - 24, y: row[Y] - 8, class: "mark-name" }, "AB"[place]);
      });
    }
    // Vector clocks: A is before B when B knows as many events of A's lane as A does.
    function before(a, b) { return a !== b && b[CLOCK][a[LANE]] >= a[CLOCK][a[LANE]]; }
    function say() {
      order.replaceChildren();
      const line = (text, strong) => {
        const made = document.createElement(strong ? "b" : "span");
        made.textContent = text;
        order.append(made, document.createElement("br"));
      };
      if (!chosen.length) return line("Click two events to learn their order.");
      chosen.forEach((row, place) => line("AB"[place] + "  " + row[WORDS]));
      if (chosen.length < 2) return line("Click a second event.");
      const [a, b] = chosen;
      if (before(a, b)) line("A is before B: A could have influenced B.", true);
      else if (before(b, a)) line("A is after B: B could have influenced A.", true);
      else line("A and B are concurrent: neither could have influenced the other.", true);
    }
    diagram.addEventListener("pointermove", event => {
      const row = nearest(...pointer(event));
      draw(row);
      tip.hidden = !row;
      if (!row) return;
      tip.textContent = row[WORDS];
      const left = event.clientX + 16 + tip.offsetWidth > innerWidth;
      tip.style.left = (left ? event.clientX - 16 - tip.offsetWidth : event.clientX + 16) + "px";
      tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + "px";
    });
    diagram.addEventListener("pointerleave", () => { tip.hidden = true; draw(null); });
    diagram.addEventListener("click", event => {
      const row = nearest(...pointer(event));
      if (!row) chosen = [];
      else if (chosen.length === 1 && chosen[0] !== row) chosen.push(row);
      else chosen = [row];
      draw(row);
      say();
    });
    function scaleTo(wanted) {
      const middle = (scrollY + innerHeight / 2 - diagram.offsetTop) / zoom;
      zoom = Math.max(0.25, Math.min(4, wanted));
      for (const svg of [diagram, names]) {
        const box = svg.viewBox.baseVal;
        svg.setAttribute("width", box.width * zoom);
        svg.setAttribute("height", svg === names ? box.height : box.height * zoom);
      }
      names.setAttribute("preserveAspectRatio", "none");
      fit.textContent = Math.round(zoom * 100) + " %";
      scrollTo(scrollX, middle * zoom + diagram.offsetTop - innerHeight / 2);
    }
    document.getElementById("in").onclick = () => scaleTo(zoom * 1.25);
    document.getElementById("out").onclick = () => scaleTo(zoom / 1.25);
    fit.onclick = () => scaleTo(1);
    """
}
