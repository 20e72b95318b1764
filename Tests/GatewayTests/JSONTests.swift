import Certification
import Testing
import Wire

@testable import Gateway

@Suite struct `A JSON text` {
  @Test(arguments: [
    #"{"a":[1,-2,true,null,"x"],"b":{}}"#, "[]", #""é\n\"""#, "-9223372036854775808",
  ])
  func `is written as it is read`(text: String) throws {
    #expect(String(decoding: try JSON(parsing: Array(text.utf8)).bytes, as: UTF8.self) == text)
  }

  @Test func `reads escapes and spaces`() throws {
    let json = try JSON(parsing: Array(#" { "a\u0041" : "\ud83d\ude00\t" } "#.utf8))
    #expect(json["aA"] == .text("😀\t"))
  }

  @Test(arguments: [
    "", "{", "[1,]", "{\"a\":1,\"a\":2}", "01", "1.", "+1", "nul", "\"\\x\"", "\"\\ud800\"",
    "\"\u{1}\"", "[1] 2", "{\"a\" 1}", "1e999", String(repeating: "[", count: 10_000),
  ])
  func `that is none is a fault, not a crash`(text: String) {
    #expect(throws: JSONFault.self) { try JSON(parsing: Array(text.utf8)) }
  }

  @Test func `with a broken text is a fault`() {
    #expect(throws: JSONFault.self) { try JSON(parsing: [0x22, 0xff, 0x22]) }
  }
}

@Suite struct `A name not found` {
  @Test func `is matched with the nearest that there is`() {
    #expect(nearest(to: "ordrs", among: ["orders", "banks"]) == "orders")
    #expect(nearest(to: "zzzz", among: ["orders", "banks"]) == nil)
    #expect(nearest(to: "a", among: []) == nil)
  }
}

@Suite struct `Arguments of a query` {
  @Test func `tell a boolean from a number where the query knows types`() throws {
    let json = try JSON(parsing: Array(#"{"a":true,"b":1,"c":"x","d":null,"e":false}"#.utf8))
    let named = try queryArguments(json, flag: { .text($0 ? "true" : "false") })
    #expect(named.map(\.name) == ["a", "b", "c", "d", "e"])
    #expect(named.map(\.value) == [.text("true"), .int(1), .text("x"), .null, .text("false")])
  }
}
