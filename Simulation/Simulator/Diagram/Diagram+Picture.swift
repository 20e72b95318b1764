extension Diagram {
  /// The whole picture: with title, lanes' names and legend when it stands by itself.
  package var svg: String { picture(Drawing(self)) }

  func picture(_ drawing: Drawing) -> String {
    let height = scale.bottom + (setting == .still ? 112 : 56)
    let size =
      "width=\"\(pixels(Self.width))\" height=\"\(pixels(height))\" "
      + "viewBox=\"0 0 \(pixels(Self.width)) \(pixels(height))\""
    let many = recording.lanes.count > 7 ? " class=\"many\"" : ""
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" id=\"diagram\" \(size)\(many) role=\"img\" "
        + "aria-label=\"\(escaped(title))\">"
    ]
    if setting == .still { lines.append("<style>\(Self.style)</style>") }
    lines.append(
      "<rect width=\"100%\" height=\"100%\"\(setting == .still ? " rx=\"8\"" : "") "
        + "class=\"paper\"/>")
    if setting == .still {
      lines.append("<text x=\"24\" y=\"34\" class=\"title\">\(escaped(title))</text>")
      lines.append("<text x=\"24\" y=\"54\" class=\"note\">\(escaped(subtitle))</text>")
      lines.append("<g transform=\"translate(0 64)\">\(names)</g>")
    }
    lines += drawing.parts
    if setting == .still {
      lines.append("<g transform=\"translate(24 \(pixels(height - 36)))\">\(legend)</g>")
    }
    lines.append("<g id=\"over\"></g></svg>")
    return lines.joined(separator: "\n") + "\n"
  }

  var title: String { recording.scenario.title }

  /// What is seen, in a line.
  var subtitle: String {
    let cluster = recording.scenario.cluster
    return "\(counted(recording.lanes.count, "replica")), quorum \(cluster.quorum), links of "
      + "\(cluster.latency.text) ± \(cluster.jitter.text). Time runs downwards, from "
      + "\(seconds(scale.first, digits: 3)) s to \(seconds(scale.last, digits: 3)) s; "
      + "\(caption)."
  }

  /// How much of the run is drawn.
  var caption: String {
    let drawn = shown.count
    if drawn < stretch {
      return "\(drawn) of the stretch's \(stretch) events are drawn"
        + (explanation == nil ? ", the latest" : ", all in ink and the latest of the rest")
    }
    return "\(drawn) of the run's \(recording.count) events are drawn"
  }

  /// The names of the lanes, 48 pixels high.
  var names: String {
    var out = ""
    for (lane, entry) in recording.lanes.enumerated() {
      let x = pixels(x(lane))
      out += "<text x=\"\(x)\" y=\"22\" class=\"name\">\(escaped(entry.name))</text>"
      if let actor = entry.actor {
        out += "<text x=\"\(x)\" y=\"36\" class=\"actor\">\(escaped(actor))</text>"
      }
    }
    return out
  }

  /// What the lines and glyphs mean, 24 pixels high.
  var legend: String {
    var out = ""
    var x = 0.0
    func add(_ drawn: String, _ words: String) {
      out +=
        "<g transform=\"translate(\(pixels(x)) 0)\">\(drawn)"
        + "<text x=\"30\" y=\"4\" class=\"note\">\(words)</text></g>"
      x += 46 + Double(words.count) * 5.9
    }
    let shown: [MessageStyle] = [
      .proposal, .notarize, .nullify, .finalize, .notarization, .nullification, .finalization,
      .calls, .state, .repair,
    ]
    for style in shown {
      let glyph: String
      switch style {
      case .notarize: glyph = "<circle cx=\"12\" cy=\"0\" r=\"3.6\" class=\"g notarize\"/>"
      case .nullify: glyph = "<path d=\"M8 -4l8 8m0 -8l-8 8\" class=\"g nullify x\"/>"
      case .finalize: glyph = "<path d=\"M12 -5l5 5l-5 5l-5 -5z\" class=\"g finalize\"/>"
      case .notarization, .nullification, .finalization:
        glyph =
          "<rect x=\"8.5\" y=\"-3.5\" width=\"7\" height=\"7\" class=\"cert \(style.rawValue)\"/>"
      default: glyph = ""
      }
      add("<path d=\"M0 0H24\" class=\"m \(style.rawValue)\"/>\(glyph)", style.meaning)
    }
    x = 0
    out += "<g transform=\"translate(0 20)\">"
    add("<path d=\"M12 -5l4 8h-8z\" class=\"alarm\"/>", "alarm rings")
    add("<path d=\"M6 -6l12 12m0 -12l-12 12\" class=\"crash\"/>", "crash")
    add("<path d=\"M6 4l6 -8l6 8\" class=\"back\"/>", "back")
    add("<rect x=\"0\" y=\"-7\" width=\"24\" height=\"14\" class=\"fault\"/>", "a fault at work")
    add(
      "<path d=\"M0 -3L16 3\" class=\"lost\"/><path d=\"M14 0l5 5m0 -5l-5 5\" class=\"cross\"/>",
      "lost")
    add("<path d=\"M0 -3L16 3\" class=\"lost\"/><path d=\"M14 4h6\" class=\"cross\"/>", "held back")
    add(
      "<text x=\"24\" y=\"4\" text-anchor=\"end\" class=\"height\">h 7</text>", "height 7 is final")
    add("<circle cx=\"12\" cy=\"0\" r=\"2.2\" class=\"call\"/>", "a client calls")
    if explanation != nil {
      add("<path d=\"M0 0H24\" class=\"m notarize rest\"/>", "no part in the violation")
    }
    return out + "</g>"
  }

  /// Colours that can be told apart with any common colour blindness (Okabe and Ito, 2008).
  static let style = """
    text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:#333}
    .paper{fill:#fffdfa}
    .title{font-size:18px;font-weight:600;fill:#111}.note{font-size:11px;fill:#555}
    .name{font-size:14px;font-weight:600;fill:#111;text-anchor:middle}
    .actor{font-size:11px;fill:#b34700;text-anchor:middle}
    .time,.gap-name{fill:#777;font-size:10.5px;font-variant-numeric:tabular-nums}
    .gap{stroke:#ddd;stroke-dasharray:1 5;fill:none}
    .lane{stroke:#9a9a9a;stroke-width:1.2;fill:none}
    .still{stroke-dasharray:3 4}.gone{stroke:none}
    .tick{stroke:#555;stroke-width:1.2}
    .view{fill:#666;font-size:10.5px}.height{fill:#00694d;font-weight:700;font-size:11px}
    .fault{fill:#e69f00;fill-opacity:.14}.bar{fill-opacity:.5}
    .fault-name{fill:#8a5a00;font-size:11px;font-weight:600}
    .view,.height,.fault-name,.decisive,.crash-name,.time{paint-order:stroke;stroke:#fffdfa;\
    stroke-width:3px;stroke-linejoin:round}
    .m{fill:none;stroke-width:1.1;stroke-opacity:.75}
    .proposal{stroke:#111}.m.proposal{stroke-width:1.9}
    .notarize,.notarization{stroke:#0072b2}.nullify,.nullification{stroke:#d55e00}
    .finalize,.finalization{stroke:#009e73}
    .m.notarization,.m.nullification,.m.finalization{stroke-dasharray:5 3}
    .calls{stroke:#c98a00;stroke-dasharray:1 3}.state{stroke:#cc79a7;stroke-dasharray:2 2}
    .many .m{stroke-width:.8;stroke-opacity:.55}.many .m.proposal{stroke-width:1.6}
    .repair{stroke:#7a6a58;stroke-dasharray:7 2 1 2}
    .m.rest,.many .m.rest{stroke:#b4b4b4;stroke-width:.7;stroke-opacity:.7}
    .g{stroke:#fff;stroke-width:.8}.g.notarize{fill:#0072b2}.g.finalize{fill:#009e73}
    .g.nullify{stroke:#d55e00;stroke-width:2.4;fill:none}
    .cert{fill:#fffdfa;stroke-width:1.8}
    .g.rest{fill:#c4c4c4}.g.nullify.rest{fill:none;stroke:#c4c4c4}.cert.rest{stroke:#c4c4c4}
    .alarm{fill:#d55e00}.alarm.rest{fill:#c4c4c4}
    .call{fill:#c98a00}.call.rest{fill:#d0d0d0}
    .lost{stroke:#444;stroke-width:1;fill:none}.cross{stroke:#222;stroke-width:1.4;fill:none}
    .lost.rest,.cross.rest{stroke:#c4c4c4}
    .crash{stroke:#b00020;stroke-width:2.6;fill:none}
    .back{stroke:#00694d;stroke-width:2.2;fill:none}
    .crash-name{fill:#7a1020;font-size:11px}
    .badge{fill:#111}.number{fill:#fff;font-size:10px;font-weight:700;text-anchor:middle}
    .decisive{fill:#111;font-weight:700;font-size:11.5px}
    .flag-line{stroke:#b00020;stroke-width:1.4;fill:none}.pole{stroke:#b00020;stroke-width:2.4}
    .flag{fill:#b00020}.flag-name{fill:#fff;font-weight:700;font-size:13px}
    """
}
