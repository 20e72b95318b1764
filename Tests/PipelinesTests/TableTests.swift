import Pipelines
import Testing
import Wire

/// Columns `c0`, `c1` and so on, or of another letter.
private func names(_ count: Int, _ letter: String = "c") -> [String] {
  (0..<count).map { "\(letter)\($0)" }
}

private func source(_ name: String, _ columns: [String], _ type: ColumnType = .int) -> Source {
  Source(
    name: name, columns: columns.map { SourceColumn(name: $0, type: type) },
    primaryKey: [columns[0]])
}

private func model(
  _ name: String, _ text: String, kind: Model.Kind = .full, tests: [ModelTest] = []
) -> Model {
  Model(
    name: name, layer: .silver, kind: kind, primaryKey: ["c0"],
    sql: SQLScript(text, file: "models/\(name).sql"), tests: tests)
}

private func seeded(_ csv: String, key: [String]) -> Package {
  Package(
    name: "p", version: "1",
    models: [Model(name: "stage", layer: .gold, kind: .seed, primaryKey: key, sql: nil)],
    seeds: [Seed(model: "stage", file: "seeds/stage.csv", csv: Array(csv.utf8))])
}

/// What is said of a package that came as canonical bytes.
private func faults(_ package: Package) throws -> [String] {
  do throws(PackageFaults) {
    _ = try CheckedPackage(package)
    return []
  } catch {
    return error.list.map(\.message)
  }
}

private func expect(_ found: [String], _ message: String) {
  #expect(found.count == 1 && found.first?.contains(message) == true, "\(found)")
}

@Suite struct `The tables of a package` {
  @Test(arguments: ["orders_i1", "x_i20"])
  func `have no name that an index of another has`(name: String) throws {
    let kept = "is a name that the engine keeps for its own tables and indexes"
    let all = [source("orders", names(2)), source(name, names(2))]
    expect(try faults(Package(name: "p", version: "1", sources: all)), kept)
    let read = model(name, "select c0 from {{ source('orders') }}")
    expect(try faults(Package(name: "p", version: "1", sources: [all[0]], models: [read])), kept)
  }

  @Test(arguments: ["bronze", "quarantine", "changed", "sqlite"])
  func `have no name whose index has that of another table`(name: String) throws {
    // bronze_i1 is the table of the source i1.
    let read = model(name, "select c0 from {{ source('i1') }}")
    expect(
      try faults(
        Package(name: "p", version: "1", sources: [source("i1", names(2))], models: [read])),
      "is a name that the engine keeps")
    let other = model("\(name)s", "select c0 from {{ source('i1') }}")
    #expect(
      try faults(
        Package(name: "p", version: "1", sources: [source("i1", names(2))], models: [other])) == [])
  }

  @Test func `have a key of different columns, that of a seed too`() throws {
    #expect(try faults(seeded("id,x\n1,2\n", key: ["id", "x"])) == [])
    expect(
      try faults(seeded("id,x\n1,2\n", key: ["id", "id"])), "primary_key: id stands twice")
  }

  @Test func `have at most 256 columns, that of a seed too`() throws {
    func csv(_ count: Int) -> String {
      names(count).joined(separator: ",") + "\n"
        + Array(repeating: "1", count: count).joined(separator: ",") + "\n"
    }
    #expect(try faults(seeded(csv(256), key: [])) == [])
    expect(try faults(seeded(csv(257), key: [])), "the header has 257 fields")
  }

  @Test func `have at most 256 columns with those that a snapshot adds`() throws {
    let sources = [source("s", names(128)), source("t", names(128, "d"))]
    func found(_ kind: Model.Kind, _ count: Int) throws -> [String] {
      let columns = (names(128) + names(128, "d")).prefix(count).joined(separator: ", ")
      let text =
        "select \(columns) from {{ source('s') }} s join {{ source('t') }} t on s.c0 = t.d0"
      return try faults(
        Package(
          name: "p", version: "1", sources: sources, models: [model("wide", text, kind: kind)]))
    }
    #expect(try found(.full, 256) == [])
    #expect(try found(.snapshot, 254) == [])
    expect(try found(.snapshot, 255), "its table would have 257 columns")
  }

  @Test func `have at most 64 indexes`() throws {
    func found(_ tests: Int) throws -> [String] {
      let columns = names(100)
      let text = "select \(columns.joined(separator: ", ")) from {{ source('s') }}"
      let wide = model("wide", text, tests: columns[1...tests].map { .unique([$0]) })
      return try faults(
        Package(name: "p", version: "1", sources: [source("s", columns)], models: [wide]))
    }
    #expect(try found(64) == [])
    expect(try found(65), "the table wide would have 65 indexes")
  }

  @Test func `are tested for values that one statement holds`() throws {
    func found(_ values: [String]) throws -> [String] {
      let listed = model(
        "listed", "select c0, c1 from {{ source('s') }}",
        tests: [.acceptedValues(column: "c1", values: values)])
      return try faults(
        Package(
          name: "p", version: "1", sources: [source("s", names(2), .text)], models: [listed]))
    }
    let long = (100..<356).map { "\($0)" + String(repeating: "x", count: 253) }
    #expect(try found(long) == [])
    expect(try found(long + ["x"]), "accepted_values: the values have 65537 bytes together")
    let nul = try found(["a", "b\0"])
    #expect(nul.contains { $0.contains("accepted_values: a value holds a NUL") }, "\(nul)")
  }
}
