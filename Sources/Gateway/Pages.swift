import Certification
import Hummingbird
import Wire

/// Results in pages: a page names its height, so the next one continues the same result.
extension Routes {
  /// - Throws: 400 for a limit or offset that is none.
  func page(of answer: SignedAnswer, _ request: Request) throws(Problem) -> JSON {
    let content = answer.content
    let count = content.result.rows.count
    let start = min(Int(clamping: try request.number("after") ?? 0), count)
    let limit = try pageLimit(request)
    let end = min(count, start + limit)
    var members: [(String, JSON)] = [
      ("height", .number(content.height.number)), ("time", .number(content.time.number)),
      ("stateRoot", .digest(content.stateRoot)), ("replica", .number(answer.replica.number)),
      ("columns", content.result.columnsJSON), ("rows", content.result.rowsJSON(start..<end)),
      ("rowCount", .number(count)),
    ]
    if end < count {
      members.append(("next", .text("?height=\(content.height)&limit=\(limit)&after=\(end)")))
    }
    members.append(("resultDigest", .digest(content.result.digest)))
    members.append(("signature", .text(answer.signature.bytes.hex)))
    return .object(members)
  }

  func pageLimit(_ request: Request) throws(Problem) -> Int {
    let limit = try request.number("limit") ?? UInt64(GatewayLimits.pageRowsUsual)
    guard limit >= 1, limit <= UInt64(GatewayLimits.pageRowsMax) else {
      throw Problem(
        400, "MALFORMED", "limit is between 1 and \(GatewayLimits.pageRowsMax) rows a page")
    }
    return Int(limit)
  }

  /// Certified rows by key, range or prefix: `?key=…`, `?from=…&to=…`, `?prefix=…`, a parameter
  /// repeated for each column of the key; `after` is the last key of the page before.
  func tables(_ request: Request, _ context: GatewayContext) async throws -> Response {
    try admission.read(from: context.address, at: backend.now())
    let admitted = try admission.enter(.read, from: context.address)
    defer { withExtendedLifetime(admitted) {} }
    let envelope = try ReadEnvelope(request.headers, subnet: backend.subnet)
    let (pipeline, table) = (try name("pipeline", context), try name("name", context))
    let key = try await keyTypes(pipeline, table)
    let rowsRequest = RowsRequest(
      subnet: backend.subnet, pipeline: pipeline, table: table,
      selection: try selection(request, key), limit: UInt32(try pageLimit(request)),
      height: try request.number("height").map { Height($0) }, caller: envelope.caller,
      expiry: envelope.expiry)
    let found = try await rows(envelope.signed(rowsRequest), request)
    return reply(found, json(of: found, request), to: request)
  }

  private func json(of found: CertifiedRows, _ request: Request) -> JSON {
    let table = found.table
    let statement = found.certificate.statement
    var members: [(String, JSON)] = [
      ("height", .number(statement.height.number)), ("time", .number(statement.time.number)),
      ("stateRoot", .digest(statement.stateRoot)), ("columns", table.columnsJSON),
      ("rows", table.rowsJSON(0..<table.rows.count)), ("complete", .flag(found.complete)),
    ]
    if !found.complete, let last = table.rows.last {
      let key = found.schema.key.map { index in
        "after=" + encoded(table.columns[index].type.text(of: last[index]) ?? "")
      }
      // What bounds the rows from above bounds the next page too.
      let bounds = ["prefix", "to", "limit"].flatMap { name in
        request.parameters(name).map { "\(name)=\(encoded($0))" }
      }
      let all = ["height=\(statement.height)"] + bounds + key
      members.append(("next", .text("?" + all.joined(separator: "&"))))
    }
    members.append(("certificate", found.certificate.json))
    members.append(("proof", .canonical(found)))
    return .object(members)
  }

  /// The types of the table's key columns, in the key's order.
  private func keyTypes(_ pipeline: String, _ table: String) async throws -> [ColumnType] {
    let catalog = try await backend.catalog()
    guard let entry = catalog.pipelines.first(where: { $0.name == pipeline }) else {
      let refusal = Refusal("UNKNOWN_PIPELINE", "there is no pipeline \(pipeline)")
      throw await suggesting(refusal, pipeline: pipeline, name: table)
    }
    guard let found = entry.tables.first(where: { $0.name == table }) else {
      let refusal = Refusal("UNKNOWN_TABLE", "\(pipeline) has no table \(table)")
      throw await suggesting(refusal, pipeline: pipeline, name: table)
    }
    return found.key.map { column in
      let type = found.columns.first { $0.name == column }?.type ?? ""
      return ColumnType(name: type) ?? .text
    }
  }

  private func selection(
    _ request: Request, _ types: [ColumnType]
  ) throws(Problem) -> RowsRequest.Selection {
    let key = try values("key", request, types)
    let prefix = try values("prefix", request, types)
    let from = try values("from", request, types)
    let to = try values("to", request, types)
    let after = try values("after", request, types)
    guard [key != nil, prefix != nil, from != nil || to != nil].count(where: { $0 }) <= 1 else {
      throw Problem(400, "MALFORMED", "choose one of key, prefix, and from with to")
    }
    if let key {
      guard key.count == types.count else {
        throw Problem(
          400, "BAD_KEY", "the key has \(types.count) columns: give one key= for each of them")
      }
      return .key(key)
    }
    guard let after else {
      return from == nil && to == nil ? .prefix(prefix ?? []) : .range(from: from, to: to)
    }
    let start = successor(of: after) ?? after
    return .range(from: start, to: prefix.flatMap { successor(of: $0) } ?? to)
  }

  private func values(
    _ name: String, _ request: Request, _ types: [ColumnType]
  ) throws(Problem) -> [Value]? {
    let texts = request.parameters(name)
    guard !texts.isEmpty else { return nil }
    guard texts.count <= types.count else {
      throw Problem(400, "BAD_KEY", "\(name) has \(texts.count) values, the key \(types.count)")
    }
    var values: [Value] = []
    for (text, type) in zip(texts, types) {
      guard let value = type.value(from: text) else {
        throw Problem(400, "BAD_KEY", "\"\(text.prefix(80))\" is no \(type.name)")
      }
      values.append(value)
    }
    return values
  }
}

/// The least list of key values above all keys that begin with `key`; nil when there is none.
package func successor(of key: [Value]) -> [Value]? {
  guard let last = key.last else { return nil }
  let rest = Array(key.dropLast())
  switch last {
  case .int(let number) where number < Int64.max: return rest + [.int(number + 1)]
  case .text(let text): return rest + [.text(text + "\0")]
  case .bytes(let bytes): return rest + [.bytes(bytes + [0])]
  case .int, .null: return successor(of: rest)
  }
}

/// Percent-encodes what is not unreserved (RFC 3986, section 2.3).
func encoded(_ text: String) -> String {
  var out: [UInt8] = []
  for byte in text.utf8 {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: out.append(byte)
    default: out.append(contentsOf: ("%" + [byte].hex.uppercased()).utf8)
    }
  }
  return String(decoding: out, as: UTF8.self)
}
