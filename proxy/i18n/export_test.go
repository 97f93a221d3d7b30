package i18n

// Messages returns the English texts by code.
func (c *Catalogue) Messages() map[string]Message { return c.texts[0] }

// Remembered counts the remembered Accept-Language values.
func (c *Catalogue) Remembered() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.chosen)
}
