package http1

// stepExtension reads chunk extensions, which are ignored, by their grammar (RFC 9112 §7.1.1): who takes less than that for one
// finds the chunk's data elsewhere. The white space that the grammar has for old senders is refused.
func (c *chunkDecoder) stepExtension(b byte) fault {
	class := classes[b]
	switch c.state {
	case extensionName, extensionNameMore:
		switch {
		case class&tokenByte != 0:
			c.state = extensionNameMore
		case c.state == extensionName:
			return badChunk
		case b == '=':
			c.state = extensionValue
		default:
			return c.endExtension(b)
		}
	case extensionValue:
		switch {
		case class&tokenByte != 0:
			c.state = extensionToken
		case b == '"':
			c.state = extensionQuoted
		default:
			return badChunk
		}
	case extensionToken:
		if class&tokenByte == 0 {
			return c.endExtension(b)
		}
	case extensionEnd:
		return c.endExtension(b)
	default:
		return c.stepQuoted(b)
	}
	return none
}

// stepQuoted reads a quoted string (RFC 9110 §5.6.4).
func (c *chunkDecoder) stepQuoted(b byte) fault {
	switch {
	case classes[b]&valueByte == 0:
		return badChunk
	case c.state == extensionEscaped:
		c.state = extensionQuoted
	case b == '\\':
		c.state = extensionEscaped
	case b == '"':
		c.state = extensionEnd
	}
	return none
}

// endExtension reads what may follow an extension: another one, or the line's end.
func (c *chunkDecoder) endExtension(b byte) fault {
	if b == ';' {
		c.state = extensionName
		return none
	}
	return c.expect(b, '\r', chunkSizeLF, badChunk)
}
