import Foundation

/// Whether texts are in Unicode Normalization Form C (UAX #15), which all stored text is.
enum Normalization {
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
    return text.precomposedStringWithCanonicalMapping.utf8.elementsEqual(text.utf8)
  }
}
