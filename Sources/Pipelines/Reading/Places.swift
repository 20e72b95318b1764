/// Where the parts of a package stand in its files, for messages of the checker.
///
/// A part is a path such as `model:fct_x/refresh`; a part that is not noted stands where the
/// nearest part around it does.
package struct Places: Sendable {
  package struct Place: Sendable {
    package let file: String
    package let line: Int
    package let column: Int

    package init(file: String, line: Int, column: Int) {
      self.file = file
      self.line = line
      self.column = column
    }
  }

  private var noted: [(part: String, place: Place)] = []

  package init() {}

  mutating func note(_ part: String, _ file: String, _ value: YAMLValue) {
    noted.append((part, Place(file: file, line: value.line, column: value.column)))
  }

  func place(of part: String) -> Place {
    var path = Substring(part)
    while true {
      if let found = noted.first(where: { $0.part == path }) { return found.place }
      guard let slash = path.lastIndex(of: "/") else { break }
      path = path[..<slash]
    }
    return Place(file: "pipeline.yaml", line: 0, column: 0)
  }
}
