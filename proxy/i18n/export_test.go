package i18n

// Remembered counts the remembered Accept-Language values.
func (c *Catalogue) Remembered() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.chosen)
}
