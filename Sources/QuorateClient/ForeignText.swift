/// What others wrote, as a person may see it on a terminal.
///
/// - Safety: nothing of it moves the cursor, turns the direction of text or begins a line.
extension String {
  /// Control characters as escapes, line feeds too: `\n`, `\u{1b}`.
  package var inOneLine: String { escaping(\.isControl) }

  /// As it is in lines, all other control characters as escapes.
  package var inLines: String { escaping { $0.isControl && $0 != "\n" && $0 != "\t" } }

  /// In lines that stand back, all but the first: none can be taken for one of the program's.
  package var inset: String {
    inLines.split(separator: "\n", omittingEmptySubsequences: false)
      .joined(separator: "\n  ")
  }

  private func escaping(_ isEscaped: (Unicode.Scalar) -> Bool) -> String {
    guard unicodeScalars.contains(where: isEscaped) else { return self }
    var shown = ""
    for scalar in unicodeScalars {
      switch scalar {
      case _ where !isEscaped(scalar): shown.unicodeScalars.append(scalar)
      case "\n": shown += "\\n"
      case "\r": shown += "\\r"
      case "\t": shown += "\\t"
      default: shown += "\\u{\(String(scalar.value, radix: 16))}"
      }
    }
    return shown
  }
}

extension Unicode.Scalar {
  /// C0, DEL, C1, and what sets the direction of text (Unicode UAX 9, section 2).
  package var isControl: Bool {
    switch value {
    case 0...0x1f, 0x7f...0x9f, 0x61c, 0x200e...0x200f, 0x202a...0x202e, 0x2066...0x2069: true
    default: false
    }
  }
}
