import Certification
import Foundation
import Glibc
import Pipelines
import SQL
import Signing
import Testing
import Wire

@testable import QuorateClient

/// Whatever people send: a clear refusal, an unchanged root, a replica that is ready afterwards.
///
/// One subnet of four processes takes all of it, one after the other.
@Suite(.serialized, .enabled(if: Program.url != nil, "the program was not built"))
struct `Four processes that are sent what is wrong` {
  @Test(.timeLimit(.minutes(10)))
  func `refuse it with a reason, keep their root and stay ready`() async throws {
    let shop = try await LiveShop()
    let strangers = try shop.holdSlowConnections()
    defer { for socket in strangers { close(socket) } }
    try await shop.refusesDeploys()
    try await shop.refusesQueries()
    try await shop.refusesNames()
    try await shop.refusesBatches()
    try await shop.refusesUnknownNames()
    try await shop.refusesKeys()
    try await shop.refusesEnvelopes()
    try await shop.refusesRequests()
    try await shop.outlivesRandomBytes()
    try await shop.isAlive()
  }
}

/// Four processes with a small pipeline that has taken one batch.
private struct LiveShop {
  let cluster: ProcessCluster
  let stranger: Client
  var client: Client { cluster.client }

  init() async throws {
    cluster = try ProcessCluster(size: 4)
    stranger = try Client(network: cluster.network, identity: .generate())
    try cluster.startAll()
    _ = try await cluster.client.submit(Self.deploy(.shop(), key: "deploy"))
    _ = try await cluster.client.submit(
      Intention(pipeline: "shop", method: .topUp(50_000_000_000_000_000), key: "fund"))
    _ = try await cluster.client.submit(Self.batch("a,anna,1.00,2026-01-01\n", key: "first"))
  }

  // MARK: What is sent

  static func deploy(_ package: Package, key: String) -> Intention {
    Intention(
      pipeline: package.name, method: .deploy, body: package.canonicalBytes, key: key,
      stepLimit: 1_000_000)
  }

  static let header = "id,customer,amount,day\n"

  static func batch(_ rows: String, key: String, format: RowFormat = .csv) -> Intention {
    batch(bytes: Array(((format == .csv ? header : "") + rows).utf8), key: key, format: format)
  }

  static func batch(bytes: [UInt8], key: String, format: RowFormat = .csv) -> Intention {
    Intention(
      pipeline: "shop", method: .ingest(source: "orders", format: format), body: bytes, key: key)
  }

  // MARK: What must hold

  /// The root over the rows of the pipeline, certified at or above all that came before.
  func root() async throws -> Digest {
    let answer = try await client.rows(.prefix([]), of: "ledger", in: "shop", recency: .fresh)
    guard case .rows(_, let rows) = answer.saved else { throw Unexpected("no certified rows") }
    return rows.pipelineRoot
  }

  /// Sends what is wrong: it is refused by this code, with these words, and changes nothing.
  func refuses(
    _ name: String, as codes: [String], saying words: [String] = [],
    _ send: () async throws -> Void
  ) async throws {
    let before = try await root()
    do {
      try await send()
      Issue.record("\(name) was taken")
    } catch let failure as ClientFailure {
      #expect(codes.contains(failure.code), "\(name): \(failure)")
      for word in words { #expect(failure.why.contains(word), "\(name): \(failure.why)") }
    }
    #expect(try await root() == before, "\(name) changed the root")
    try await isReady(name)
  }

  func isReady(_ name: String) async throws {
    for member in cluster.network.members {
      var status = 0
      // One that lags a moment behind says so until it has caught up.
      for _ in 0..<200 where status != 200 {
        status = try await client.exchange(
          HTTPAsk(method: .GET, target: "/readyz"), with: member.id
        ).status
        if status != 200 { try await Task.sleep(for: .milliseconds(50)) }
      }
      #expect(status == 200, "\(member.id) after \(name)")
    }
  }

  /// A good call goes through.
  func isAlive() async throws {
    let before = try await root()
    let receipt = try await client.submit(Self.batch("z,zoe,9.00,\n", key: "last"))
    #expect(receipt.proof.receipt.tally.accepted == 1)
    #expect(try await root() != before)
    try await isReady("all of it")
  }
}

// MARK: SQL

extension LiveShop {
  func refusesDeploys() async throws {
    for (index, bad) in BadSQL.all.enumerated() {
      guard let text = bad.model else { continue }
      let package = Package.shop(bad: SQLScript(text, file: "models/silver/bad.sql"))
      try await refuses(
        "the model \(text)", as: [bad.rule],
        saying: ["models/silver/bad.sql:1:", "error \(bad.rule)", "fix: "]
      ) {
        _ = try await client.submit(Self.deploy(package, key: "bad \(index)"))
      }
    }
  }

  func refusesQueries() async throws {
    let good = try await client.agree(.sql("select id from orders"), of: "shop")
    #expect(good.table.rows == [[.text("a")]])
    for bad in BadSQL.all {
      guard let text = bad.typed else { continue }
      // Asking one replica alone, floating point is free: its word is all that is given.
      if bad.onlyAtQuorum {
        #expect(throws: Never.self) { try parse(SQLText(file: "q", text: text), form: .adhoc) }
        _ = try await client.ask(.sql(text), of: "shop")
        try await refuses("\(text) at trust quorum", as: [bad.rule]) {
          _ = try await client.agree(.sql(text), of: "shop")
        }
      } else {
        try await refuses(
          "the query \(text)", as: [bad.rule], saying: ["query:1:", "error \(bad.rule)", "fix: "]
        ) {
          _ = try await client.ask(.sql(text), of: "shop")
        }
      }
    }
    try await refuses("a sum of what is too large", as: ["QD22"], saying: ["overflows 64 bits"]) {
      _ = try await client.ask(
        .sql("select 9223372036854775807 + length(id) as x from orders"), of: "shop")
    }
    for text in BadSQL.smuggled {
      try await refuses(
        "the query \(text)",
        as: ["SQL01", "SQL02", "SQL04", "SQL05", "QD24", "QD29", "QD30", "QD33"],
        saying: ["query:1:"]
      ) {
        _ = try await client.ask(.sql(text), of: "shop")
      }
    }
  }

  func refusesNames() async throws {
    let sql = SQLScript("select id, amount from {{ source('orders') }}", file: "bad.sql")
    for (index, name) in BadSQL.names.enumerated() {
      var column = Package.shop()
      column.sources[0].columns[3].name = name
      var source = Package.shop()
      source.sources.append(source.sources[0])
      source.sources[1].name = name.isEmpty ? "" : "z" + name
      for (place, package) in [
        ("model", Package.shop(bad: sql, named: name)), ("column", column), ("source", source),
      ] {
        // Only a table may not be called so; all other names are wrong by their form.
        guard place == "model" || name != "sqlite_x" else { continue }
        try await refuses(
          "a \(place) called \(name)",
          as: ["PACKAGE_REFUSED", "PACKAGE_MALFORMED", "SQL05"], saying: ["name"]
        ) {
          _ = try await client.submit(Self.deploy(package, key: "name \(place) \(index)"))
        }
      }
    }
  }
}

// MARK: Calls

extension LiveShop {
  func refusesBatches() async throws {
    let rows: [(name: String, bytes: [UInt8], code: String, words: String)] = [
      ("an open quote", Array("b,\"ben,1.00,\n".utf8), "CSV_QUOTES", "line 2"),
      ("a quote inside", Array("b,be\"n,1.00,\n".utf8), "CSV_QUOTES", "line 2"),
      ("too few columns", Array("b,ben\n".utf8), "CSV_COLUMNS", "line 2"),
      ("too many columns", Array("b,ben,1.00,,7\n".utf8), "CSV_COLUMNS", "line 2"),
      (
        "bytes that are no UTF-8", Array("b,".utf8) + [0xff, 0xfe] + Array(",1,\n".utf8), "UTF8",
        "QD24"
      ),
      ("a NUL", Array("b,b\u{0}n,1.00,\n".utf8), "NUL_BYTE", "QD24"),
    ]
    for (name, bytes, code, words) in rows {
      try await refuses(name, as: [code], saying: [words, "No row"]) {
        _ = try await client.submit(Self.batch(bytes: Array(Self.header.utf8) + bytes, key: name))
      }
    }
    for (name, text, code) in [
      ("a misspelt header", "id,custmer,amount,day\nb,ben,1.00,\n", "CSV_HEADER"),
      ("no bytes", "", "EMPTY_BATCH"),
    ] {
      try await refuses(name, as: [code]) {
        _ = try await client.submit(Self.batch(bytes: Array(text.utf8), key: name))
      }
    }
    try await refuses("a broken line of JSON", as: ["JSON_SYNTAX"], saying: ["line 1"]) {
      _ = try await client.submit(Self.batch("{\"id\": \"b\",", key: "json", format: .ndjson))
    }
  }

  func refusesUnknownNames() async throws {
    let unknown: [(pipeline: String, method: Wire.Method, code: String, words: String)] = [
      ("shopp", .ingest(source: "orders", format: .csv), "UNKNOWN_PIPELINE", "shopp"),
      ("shop", .ingest(source: "order", format: .csv), "UNKNOWN_SOURCE", "orders"),
      ("shop", .procedure("repea"), "UNKNOWN_PROCEDURE", "repeat"),
    ]
    for (index, (pipeline, method, code, words)) in unknown.enumerated() {
      try await refuses("\(pipeline) \(method)", as: [code], saying: [words]) {
        _ = try await client.submit(
          Intention(
            pipeline: pipeline, method: method, body: Array(Self.header.utf8), key: "u\(index)"))
      }
    }
    let bodies = [
      ("an unknown argument", "{\"id\": \"b\", \"od\": 1}"), ("a missing argument", "{}"),
      ("an argument of another type", "{\"id\": \"b\", \"amount\": \"much\"}"),
      ("arguments that are no JSON", "{"),
    ]
    for (name, body) in bodies {
      try await refuses(name, as: ["ARGUMENTS"], saying: ["amount"]) {
        _ = try await client.submit(
          Intention(
            pipeline: "shop", method: .procedure("repeat"), body: Array(body.utf8), key: name))
      }
    }
    try await refuses("an unknown query", as: ["UNKNOWN_QUERY"], saying: ["large"]) {
      _ = try await client.ask(.named("larg"), of: "shop")
    }
    try await refuses("an unknown pipeline", as: ["UNKNOWN_PIPELINE"]) {
      _ = try await client.ask(.sql("select 1 as a"), of: "shopp")
    }
    try await refuses("a query without its argument", as: ["ARGUMENTS"], saying: ["least"]) {
      _ = try await client.ask(.named("large"), of: "shop")
    }
  }

  func refusesKeys() async throws {
    let rows = Array((Self.header + "a,anna,1.00,2026-01-01\n").utf8)
    let before = try await root()
    let again = try await client.submit(Self.batch(bytes: rows, key: "first"))
    #expect(again.proof.receipt.replayOf != nil)
    #expect(try await root() == before)
    try await refuses("a key with another body", as: ["IDEMPOTENCY_CONFLICT", "KEY_CONFLICT"]) {
      _ = try await client.submit(Self.batch("b,ben,1.00,\n", key: "first"))
    }
    try await refuses("an empty key", as: ["BAD_KEY"]) {
      _ = try await client.submit(Self.batch("b,ben,1.00,\n", key: ""))
    }
    try await refuses("no key", as: ["MISSING_KEY"], saying: ["Idempotency-Key"]) {
      try await post(
        "/v1/pipelines/shop/sources/orders/batches", [("Content-Type", "text/csv")], rows)
    }
    try await refuses("a call without a key", as: ["IDEMPOTENCY_KEY_MISSING"]) {
      try await post(call(rows, key: ""))
    }
  }

  func refusesEnvelopes() async throws {
    let rows = Array((Self.header + "b,ben,1.00,\n").utf8)
    try await refuses("an expired call", as: ["EXPIRED"], saying: ["clock"]) {
      try await post(call(rows, key: "expired", lives: -60_000))
    }
    try await refuses("a far-future call", as: ["EXPIRY_TOO_FAR"], saying: ["clock"]) {
      try await post(call(rows, key: "far", lives: 86_400_000))
    }
    let right = call(rows, key: "signed")
    let other = call(rows, key: "other")
    try await refuses("a wrong signature", as: ["BAD_SIGNATURE"]) {
      try await post(SignedCall(call: other.call, body: rows, signature: right.signature))
    }
    try await refuses("another body than was signed", as: ["BODY_MISMATCH"]) {
      try await post(SignedCall(call: right.call, body: rows + [10], signature: right.signature))
    }
    try await refuses("a call of another subnet", as: ["WRONG_SUBNET"]) {
      try await post(call(rows, key: "elsewhere", subnet: sha256([9])))
    }
    try await refuses("a wrong role", as: ["NOT_ALLOWED"], saying: ["grant"]) {
      _ = try await stranger.submit(Self.batch("b,ben,1.00,\n", key: "stranger"))
    }
    try await refuses("a stranger's query", as: ["NOT_ALLOWED"], saying: ["grant"]) {
      _ = try await stranger.ask(.sql("select id from orders"), of: "shop")
    }
    try await refuses("a stranger's deploy", as: ["NOT_OWNER", "INSUFFICIENT_CYCLES"]) {
      _ = try await stranger.submit(Self.deploy(.shop(), key: "stolen"))
    }
    try await refuses("a stranger's grant", as: ["NOT_OWNER"]) {
      _ = try await stranger.submit(
        Intention(
          pipeline: "shop", method: .grant(role: "clerk", to: KeyPair.generate().publicKey),
          key: "promoted"))
    }
  }

  func refusesRequests() async throws {
    let large = [UInt8](repeating: 0x61, count: Limits.callBodyBytesMax + 1)
    let csv = [("Content-Type", "text/csv"), ("Idempotency-Key", "large")]
    let path = "/v1/pipelines/shop/sources/orders/batches"
    try await refuses("a body too large", as: ["BODY_TOO_LARGE"]) {
      try await post(path, csv, large)
    }
    try await refuses("a body too large for the client", as: ["BODY_TOO_LARGE"]) {
      _ = try await client.submit(Self.batch(bytes: large, key: "large"))
    }
    try await refuses("a canonical call cut short", as: ["MALFORMED"]) {
      let whole = call([], key: "cut").canonicalBytes
      try await post("/v1/calls", Self.canonical, whole.dropLast())
    }
    for name in ["shop%27--", "shop%3b%20drop", "shop%20union%20select", "..%2f..%2fetc"] {
      try await refuses("the pipeline \(name)", as: ["UNKNOWN_NAME", "NO_ROUTE"]) {
        try await post("/v1/pipelines/\(name)/sources/orders/batches", csv, [0x61])
      }
    }
  }
}

// MARK: Bytes

extension LiveShop {
  static let canonical = [("Content-Type", MediaType.canonical)]

  func call(
    _ body: [UInt8], key: String, lives milliseconds: Int64 = 60_000, subnet: SubnetID? = nil
  ) -> SignedCall {
    let signer = Signer.ed25519(cluster.operatorKey)
    let now = Int64(systemClock().number)
    let call = Call(
      subnet: subnet ?? cluster.network.subnet, pipeline: "shop",
      method: .ingest(source: "orders", format: .csv), bodyDigest: sha256(body),
      bodyBytes: UInt32(body.count), idempotencyKey: key, sender: signer.publicKey,
      expiry: Moment(UInt64(now + milliseconds)), stepLimit: 100_000)
    return signer.sign(call, body: body)
  }

  func post(_ call: SignedCall) async throws {
    try await post("/v1/calls", Self.canonical, call.canonicalBytes)
  }

  /// - Throws: the problem that the replica answers, as a failure.
  func post(
    _ target: String, _ headers: [(String, String)], _ body: some Collection<UInt8>
  ) async throws {
    let reply = try await client.exchange(
      HTTPAsk(method: .POST, target: target, headers: headers, body: Array(body)), with: 0)
    guard reply.status >= 400 else { return }
    let problem = try JSONDecoder().decode(Problem.self, from: Data(reply.body))
    throw ClientFailure(
      .rejected, problem.code, what: "status \(reply.status)", why: problem.detail, next: "")
  }

  private struct Problem: Decodable {
    let code: String
    let detail: String
  }

  /// Connections to both ports of all replicas that begin and never go on.
  func holdSlowConnections() throws -> [Int32] {
    let hello: [UInt8] = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01]
    return try cluster.network.members.flatMap { member in
      try [member.peerPort, member.httpPort].flatMap { port in
        try (0..<8).map { _ in try open(port, saying: hello) }
      }
    }
  }

  func outlivesRandomBytes() async throws {
    let before = try await root()
    var random = SystemRandomNumberGenerator()
    for member in cluster.network.members {
      for port in [member.peerPort, member.httpPort] {
        for length in [1, 6, 300, 40_000] {
          send((0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }, to: port)
        }
      }
    }
    #expect(try await root() == before)
    try await isReady("random bytes")
  }
}

extension Package {
  /// A source, a certified table, a procedure and a query; with a model that is wrong.
  fileprivate static func shop(bad: SQLScript? = nil, named name: String = "bad") -> Package {
    let money = Pipelines.ColumnType.decimal(precision: 18, scale: 2)
    let ledger = Model(
      name: "ledger", layer: .silver, kind: .full, primaryKey: ["id"],
      sql: SQLScript("select id, amount from {{ source('orders') }}", file: "ledger.sql"),
      certified: true)
    let wrong = bad.map {
      Model(name: name, layer: .silver, kind: .full, primaryKey: ["id"], sql: $0)
    }
    return Package(
      name: "shop", version: bad == nil ? "1" : "2",
      sources: [
        Source(
          name: "orders",
          columns: [
            SourceColumn(name: "id", type: .text, required: true),
            SourceColumn(name: "customer", type: .text, required: true),
            SourceColumn(name: "amount", type: money, required: true),
            SourceColumn(name: "day", type: .date),
          ], primaryKey: ["id"])
      ],
      models: [ledger] + [wrong].compactMap(\.self),
      procedures: [
        Procedure(
          name: "repeat",
          args: [
            Pipelines.Argument(name: "id", type: .text),
            Pipelines.Argument(name: "amount", type: money),
          ], emit: "orders",
          sql: SQLScript(
            "select :id as id, 'again' as customer, :amount as amount", file: "repeat.sql"))
      ],
      queries: [
        Pipelines.Query(
          name: "large", args: [Pipelines.Argument(name: "least", type: money)],
          sql: SQLScript(
            "select id, amount from {{ ref('ledger') }} where amount >= :least order by id",
            file: "large.sql"))
      ])
  }
}
