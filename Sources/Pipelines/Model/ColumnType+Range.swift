extension ColumnType {
  /// Whether a number is one of this type's, as it is stored: a decimal has no more digits than it
  /// declares, a date and a timestamp lie in the years 1 to 9999, a bool is 0 or 1.
  package func holds(_ number: Int64) -> Bool {
    switch self {
    case .date: Calendar.days.contains(number)
    case .timestamp: FieldParser.momentRange.contains(number)
    case .bool: number == 0 || number == 1
    case .decimal(let precision, _): UInt64.powerOfTen(precision) > number.magnitude
    case .text, .int, .uuid, .bytes, .json: true
    }
  }

  /// Whether a text is one of this type's, as it is stored: a UUID has its shape, in lower case.
  /// JSON is not looked into.
  package func holds(_ text: String) -> Bool {
    guard self == .uuid else { return true }
    let bytes = Array(text.utf8)
    return (try? FieldParser.uuid(bytes.span, 0..<bytes.count)) == false
  }
}
