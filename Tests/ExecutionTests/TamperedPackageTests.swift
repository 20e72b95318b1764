import Certification
import Pipelines
import Signing
import Storage
import Testing
import Wire

@testable import Execution

@Suite struct `A package that was tampered with` {
  private let package = Package.shop(
    models: [
      Model(
        name: "ledger", layer: .silver, kind: .full, primaryKey: ["id"],
        sql: sql("select id, customer, amount from {{ source('orders') }}"))
    ])

  private func code(_ signed: SignedCall, on subnet: Subnet) -> String? {
    do throws(Refusal) {
      _ = try Verifier.ed25519.verify(signed, subnet: subnet.genesis.subnet)
      return nil
    } catch {
      return error.code
    }
  }

  @Test func `is not the one that its owner signed`() throws {
    let subnet = try Subnet()
    let right = subnet.deploy(package)
    #expect(code(right, on: subnet) == nil)
    #expect(try subnet.run(right).status == .applied)
    for offset in stride(from: 0, to: right.body.count, by: 7) {
      var body = right.body
      body[offset] ^= 1
      let wrong = SignedCall(call: right.call, body: body, signature: right.signature)
      #expect(code(wrong, on: subnet) == "BODY_MISMATCH", "byte \(offset)")
    }
    let renamed = Call(
      subnet: right.call.subnet, pipeline: right.call.pipeline, method: .deploy,
      bodyDigest: sha256([1]), bodyBytes: 1, idempotencyKey: right.call.idempotencyKey,
      sender: right.call.sender, expiry: right.call.expiry, stepLimit: right.call.stepLimit)
    let resigned = SignedCall(call: renamed, body: [1], signature: right.signature)
    #expect(code(resigned, on: subnet) == "BAD_SIGNATURE")
  }

  @Test func `is no package when cut or lengthened, and another one when changed`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(package))
    try subnet.fund()
    let digest = try #require(subnet.executor.pipelines["shop"]?.deployed).digest
    #expect(digest == sha256(package.canonicalBytes))
    let root = subnet.root()
    let bytes = package.canonicalBytes
    for body in [Array(bytes.dropLast()), bytes + [0], Array(bytes.dropFirst()), [], [0xff]] {
      let receipt = try subnet.run(subnet.call("shop", .deploy, body: body, steps: 50_000_000))
      #expect(receipt.refusalCode == "PACKAGE_MALFORMED")
    }
    var other = package
    other.name = "shoq"
    let misnamed = try subnet.run(
      subnet.call("shop", .deploy, body: other.canonicalBytes, steps: 50_000_000))
    #expect(misnamed.refusalCode == "PACKAGE_NAME")
    #expect(subnet.root() == root)
    #expect(subnet.executor.pipelines["shop"]?.deployed?.digest == digest)
  }

  @Test func `in the file of a replica stops that replica`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(package))
    try subnet.fund()
    try subnet.run(subnet.ingest("orders", "id,customer,amount,day\na,anna,1.00,\n"))
    _ = try subnet.executor.checkpoint()
    try subnet.reopen()
    let file = subnet.path + "/pipelines/shop.sqlite"
    let tamperer = try Connection(path: file)
    try tamperer.execute("UPDATE bronze_orders SET amount = 900 WHERE id = 'a'")
    #expect(throws: ExecutionFault.self) { try subnet.reopen() }
    try tamperer.execute("UPDATE bronze_orders SET amount = 100 WHERE id = 'a'")
    try subnet.reopen()
  }
}
