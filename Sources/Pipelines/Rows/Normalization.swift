import Foundation

/// Whether texts are in Unicode Normalization Form C (UAX #15), which all stored text is.
package enum Normalization {
  package static func isComposed(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    return isComposed(bytes.span, 0..<bytes.count)
  }

  /// - Precondition: the range is valid UTF-8.
  static func isComposed(_ bytes: Bytes, _ range: Range<Int>) -> Bool {
    // Below U+0300 every scalar is a starter that no composition changes; UTF-8 of U+0300 begins
    // with 0xCC.
    var index = range.lowerBound
    while index < range.upperBound {
      if bytes[index] >= 0xcc { return isComposedSlowly(FieldParser.copy(bytes, range)) }
      index += 1
    }
    return true
  }

  private static func isComposedSlowly(_ bytes: [UInt8]) -> Bool {
    let text = String(decoding: bytes, as: UTF8.self)
    return !hasOpenSyllable(text)
      && text.precomposedStringWithCanonicalMapping.utf8.elementsEqual(text.utf8)
  }

  /// A Hangul syllable without a final consonant, and one behind it: they compose, which Foundation
  /// does of three letters alone (Swift 6.2).
  private static func hasOpenSyllable(_ text: String) -> Bool {
    var before: UInt32 = 0
    for scalar in text.unicodeScalars {
      let isOpen = 0xac00...0xd7a3 ~= before && (before - 0xac00) % 28 == 0
      if isOpen, 0x11a8...0x11c2 ~= scalar.value { return true }
      before = scalar.value
    }
    return false
  }
}
