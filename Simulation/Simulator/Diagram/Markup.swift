/// Text as it may stand in HTML and SVG, also within an attribute in double quotes.
func escaped(_ text: String) -> String {
  var out = ""
  for character in text.unicodeScalars {
    switch character {
    case "&": out += "&amp;"
    case "<": out += "&lt;"
    case ">": out += "&gt;"
    case "\"": out += "&quot;"
    case "'": out += "&#39;"
    default:
      // Control characters are forbidden in XML, escaped or not.
      if character.value >= 32 || character == "\n" || character == "\t" {
        out.unicodeScalars.append(character)
      }
    }
  }
  return out
}

/// A string of JSON that may stand in a script element too.
func quotedForScript(_ text: String) -> String {
  var out = "\""
  for character in text.unicodeScalars {
    switch character {
    case "\"": out += "\\\""
    case "\\": out += "\\\\"
    case "<", ">", "&", "\u{2028}", "\u{2029}", "\u{0}"..."\u{1f}":
      let digits = String(character.value, radix: 16)
      out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: out.unicodeScalars.append(character)
    }
  }
  return out + "\""
}

/// A length with one digit behind the point, as short as it goes.
func pixels(_ value: Double) -> String {
  let tenths = Int((value * 10).rounded())
  let whole = "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10)"
  return tenths % 10 == 0 ? whole : "\(whole).\(abs(tenths) % 10)"
}
