<?xml version="1.0" encoding="UTF-8"?>
<!-- Makes of a document the same page that the server makes (WriteHTML). -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:d="urn:grove:document:1" exclude-result-prefixes="d">
  <xsl:output method="html" encoding="UTF-8" indent="no" doctype-system="about:legacy-compat"/>
  <!-- Where the style sheet of pages is, seen from the page; one that transforms elsewhere may say so. -->
  <xsl:param name="style" select="'/documents/static/page.css'"/>

  <xsl:template match="/d:document">
    <xsl:variable name="title">
      <xsl:choose>
        <xsl:when test="@customer">Status for <xsl:value-of select="@customer"/></xsl:when>
        <xsl:when test="@path != '/'">Status of <xsl:value-of select="@path"/></xsl:when>
        <xsl:otherwise>Status</xsl:otherwise>
      </xsl:choose>
    </xsl:variable>
    <html lang="en">
      <head>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <title><xsl:value-of select="$title"/></title>
        <link rel="stylesheet" href="{$style}"/>
      </head>
      <body>
        <svg xmlns="http://www.w3.org/2000/svg" class="symbols" aria-hidden="true"><defs>
          <symbol id="mark-white" viewBox="0 0 16 16"><path d="M8 1.2 14.8 8 8 14.8 1.2 8z"/></symbol>
          <symbol id="mark-green" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.2"/></symbol>
          <symbol id="mark-yellow" viewBox="0 0 16 16"><path d="M8 1.8 15 14H1z"/></symbol>
          <symbol id="mark-red" viewBox="0 0 16 16"><rect x="2" y="2" width="12" height="12" rx="1"/></symbol>
        </defs></svg>
        <header>
          <h1><xsl:value-of select="$title"/></h1>
          <p class="meta">As of <xsl:call-template name="moment"><xsl:with-param name="t" select="@created"/></xsl:call-template>, by <xsl:value-of select="@generator"/></p>
        </header>
        <main><xsl:apply-templates select="d:managers/d:manager"/></main>
      </body>
    </html>
  </xsl:template>

  <xsl:template name="moment">
    <xsl:param name="t"/>
    <xsl:if test="$t"><time datetime="{$t}"><xsl:value-of select="concat(substring($t, 1, 10), ' ', substring($t, 12, 8), ' UTC')"/></time></xsl:if>
  </xsl:template>

  <xsl:template name="mark">
    <xsl:param name="colour"/>
    <svg xmlns="http://www.w3.org/2000/svg" class="mark {$colour}" aria-hidden="true"><use href="#mark-{$colour}"/></svg>
  </xsl:template>

  <xsl:template name="state">
    <xsl:param name="colour"/>
    <xsl:param name="word"/>
    <span class="state"><xsl:call-template name="mark"><xsl:with-param name="colour" select="$colour"/></xsl:call-template><span class="word"><xsl:value-of select="$word"/></span></span>
  </xsl:template>

  <xsl:template name="count">
    <xsl:param name="n"/>
    <xsl:param name="colour"/>
    <xsl:param name="word"/>
    <xsl:if test="$n &gt; 0">
      <span class="count"><xsl:call-template name="mark"><xsl:with-param name="colour" select="$colour"/></xsl:call-template><xsl:value-of select="$n"/><span class="hidden"><xsl:text> </xsl:text><xsl:value-of select="$word"/></span></span>
    </xsl:if>
  </xsl:template>

  <xsl:template name="counts">
    <xsl:param name="of"/>
    <span class="counts">
      <xsl:call-template name="count"><xsl:with-param name="n" select="$of/@red"/><xsl:with-param name="colour" select="'red'"/><xsl:with-param name="word" select="'fault'"/></xsl:call-template>
      <xsl:call-template name="count"><xsl:with-param name="n" select="$of/@yellow"/><xsl:with-param name="colour" select="'yellow'"/><xsl:with-param name="word" select="'warning'"/></xsl:call-template>
      <xsl:call-template name="count"><xsl:with-param name="n" select="$of/@white"/><xsl:with-param name="colour" select="'white'"/><xsl:with-param name="word" select="'unknown'"/></xsl:call-template>
      <xsl:call-template name="count"><xsl:with-param name="n" select="$of/@green"/><xsl:with-param name="colour" select="'green'"/><xsl:with-param name="word" select="'normal'"/></xsl:call-template>
    </span>
  </xsl:template>

  <xsl:template match="d:status">
    <p class="why {@colour}">
      <xsl:value-of select="d:reason"/>
      <xsl:if test="@since"><span class="soft"><xsl:text> since </xsl:text><xsl:call-template name="moment"><xsl:with-param name="t" select="@since"/></xsl:call-template></span></xsl:if>
      <xsl:if test="@last"><span class="soft">, <xsl:choose><xsl:when test="@last = 'green'">normal</xsl:when><xsl:when test="@last = 'yellow'">warning</xsl:when><xsl:otherwise>fault</xsl:otherwise></xsl:choose> before</span></xsl:if>
    </p>
  </xsl:template>

  <xsl:template match="d:description"><p class="soft"><xsl:value-of select="."/></p></xsl:template>

  <xsl:template name="fact">
    <xsl:param name="name"/>
    <xsl:param name="value"/>
    <xsl:if test="string($value)"><div><dt><xsl:value-of select="$name"/></dt><dd><xsl:value-of select="$value"/></dd></div></xsl:if>
  </xsl:template>

  <xsl:template name="list">
    <xsl:param name="name"/>
    <xsl:param name="values"/>
    <xsl:if test="$values"><div><dt><xsl:value-of select="$name"/></dt><dd><xsl:for-each select="$values"><xsl:if test="position() &gt; 1">, </xsl:if><xsl:value-of select="."/></xsl:for-each></dd></div></xsl:if>
  </xsl:template>

  <xsl:template name="link">
    <xsl:param name="name"/>
    <xsl:param name="value"/>
    <xsl:choose>
      <xsl:when test="starts-with($value, 'http://') or starts-with($value, 'https://')">
        <div><dt><xsl:value-of select="$name"/></dt><dd><a href="{$value}" rel="noreferrer"><xsl:value-of select="$value"/></a></dd></div>
      </xsl:when>
      <xsl:otherwise><xsl:call-template name="fact"><xsl:with-param name="name" select="$name"/><xsl:with-param name="value" select="$value"/></xsl:call-template></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template name="reference">
    <xsl:param name="name"/>
    <xsl:param name="value"/>
    <xsl:param name="id"/>
    <xsl:choose>
      <xsl:when test="$id"><div><dt><xsl:value-of select="$name"/></dt><dd><a href="#{$id}"><xsl:value-of select="$value"/></a></dd></div></xsl:when>
      <xsl:otherwise><xsl:call-template name="fact"><xsl:with-param name="name" select="$name"/><xsl:with-param name="value" select="$value"/></xsl:call-template></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template match="d:manager">
    <section class="panel" id="{@id}" aria-labelledby="{@id}-name">
      <h2><span id="{@id}-name"><xsl:value-of select="@name"/></span><xsl:call-template name="state"><xsl:with-param name="colour" select="d:status/@colour"/><xsl:with-param name="word" select="d:status/@word"/></xsl:call-template></h2>
      <xsl:apply-templates select="d:status"/>
      <xsl:apply-templates select="d:description"/>
      <dl class="facts">
        <xsl:call-template name="fact"><xsl:with-param name="name" select="'Role'"/><xsl:with-param name="value" select="translate(@role, '-', ' ')"/></xsl:call-template>
        <xsl:call-template name="fact"><xsl:with-param name="name" select="'Machine'"/><xsl:with-param name="value" select="d:machine/@dnsname"/></xsl:call-template>
        <xsl:call-template name="link"><xsl:with-param name="name" select="'Portal'"/><xsl:with-param name="value" select="d:portal"/></xsl:call-template>
        <xsl:call-template name="fact"><xsl:with-param name="name" select="'Location'"/><xsl:with-param name="value" select="d:location"/></xsl:call-template>
        <xsl:call-template name="list"><xsl:with-param name="name" select="'Contacts'"/><xsl:with-param name="values" select="d:contacts/d:contact"/></xsl:call-template>
        <xsl:call-template name="fact"><xsl:with-param name="name" select="'Takes over'"/><xsl:with-param name="value" select="@failover"/></xsl:call-template>
        <xsl:call-template name="fact"><xsl:with-param name="name" select="'Version'"/><xsl:with-param name="value" select="@version"/></xsl:call-template>
        <div><dt>Attributes</dt><dd><xsl:call-template name="counts"><xsl:with-param name="of" select="d:counts"/></xsl:call-template></dd></div>
      </dl>
      <xsl:apply-templates select="d:alerts/d:worst"/>
      <xsl:apply-templates select="d:hosts | d:devices | d:services"/>
      <xsl:apply-templates select="d:customers"/>
      <xsl:if test="d:attributes">
        <h3>Other attributes<span class="number"><xsl:value-of select="count(d:attributes/d:attribute)"/></span></h3>
        <xsl:apply-templates select="d:attributes"/>
      </xsl:if>
    </section>
  </xsl:template>

  <xsl:template match="d:worst">
    <h3>Worst now</h3>
    <div class="scroll"><table class="cards">
      <thead><tr><th scope="col">Status</th><th scope="col">Attribute</th><th scope="col">Value</th><th scope="col">Since</th></tr></thead>
      <tbody>
        <xsl:for-each select="d:alert">
          <tr>
            <td><xsl:call-template name="state"><xsl:with-param name="colour" select="@status"/><xsl:with-param name="word" select="@word"/></xsl:call-template></td>
            <td class="wide"><xsl:value-of select="@path"/></td>
            <td><xsl:value-of select="@shown"/></td>
            <td class="when"><xsl:call-template name="moment"><xsl:with-param name="t" select="@since"/></xsl:call-template></td>
          </tr>
        </xsl:for-each>
      </tbody>
    </table></div>
  </xsl:template>

  <xsl:template match="d:hosts | d:devices | d:services">
    <h3>
      <xsl:choose><xsl:when test="self::d:hosts">Hosts</xsl:when><xsl:when test="self::d:devices">Devices</xsl:when><xsl:otherwise>Services</xsl:otherwise></xsl:choose>
      <span class="number"><xsl:value-of select="count(*)"/></span>
    </h3>
    <xsl:apply-templates/>
  </xsl:template>

  <xsl:template match="d:host | d:device | d:service">
    <details id="{@id}">
      <xsl:if test="d:status/@colour = 'yellow' or d:status/@colour = 'red'"><xsl:attribute name="open">open</xsl:attribute></xsl:if>
      <summary>
        <xsl:call-template name="state"><xsl:with-param name="colour" select="d:status/@colour"/><xsl:with-param name="word" select="d:status/@word"/></xsl:call-template>
        <span class="name"><xsl:value-of select="@name"/><xsl:if test="@label"><span class="label"><xsl:text> </xsl:text><xsl:value-of select="@label"/></span></xsl:if></span>
        <span class="type"><xsl:value-of select="@type"/></span>
        <span class="where"><xsl:value-of select="d:location"/></span>
        <xsl:call-template name="counts"><xsl:with-param name="of" select="d:counts"/></xsl:call-template>
      </summary>
      <div class="body">
        <xsl:apply-templates select="d:status"/>
        <xsl:apply-templates select="d:description"/>
        <dl class="facts">
          <xsl:call-template name="fact"><xsl:with-param name="name" select="'Address'"/><xsl:with-param name="value" select="d:address"/></xsl:call-template>
          <xsl:call-template name="link"><xsl:with-param name="name" select="'Portal'"/><xsl:with-param name="value" select="d:portal"/></xsl:call-template>
          <xsl:call-template name="reference"><xsl:with-param name="name" select="'Runs on host'"/><xsl:with-param name="value" select="@host"/><xsl:with-param name="id" select="@hostId"/></xsl:call-template>
          <xsl:call-template name="reference"><xsl:with-param name="name" select="'Runs on device'"/><xsl:with-param name="value" select="@device"/><xsl:with-param name="id" select="@deviceId"/></xsl:call-template>
          <xsl:call-template name="reference"><xsl:with-param name="name" select="'Part of service'"/><xsl:with-param name="value" select="@service"/><xsl:with-param name="id" select="@serviceId"/></xsl:call-template>
          <xsl:call-template name="list"><xsl:with-param name="name" select="'Customers'"/><xsl:with-param name="values" select="d:customers/d:customer"/></xsl:call-template>
          <xsl:call-template name="list"><xsl:with-param name="name" select="'Contacts'"/><xsl:with-param name="values" select="d:contacts/d:contact"/></xsl:call-template>
          <xsl:for-each select="d:properties/d:property"><xsl:call-template name="fact"><xsl:with-param name="name" select="@name"/><xsl:with-param name="value" select="@value"/></xsl:call-template></xsl:for-each>
          <xsl:if test="not(d:places)"><xsl:call-template name="fact"><xsl:with-param name="name" select="'Place'"/><xsl:with-param name="value" select="@path"/></xsl:call-template></xsl:if>
          <xsl:for-each select="d:places/d:place"><xsl:call-template name="fact"><xsl:with-param name="name" select="'Place'"/><xsl:with-param name="value" select="."/></xsl:call-template></xsl:for-each>
          <xsl:for-each select="d:problems/d:problem"><xsl:call-template name="fact"><xsl:with-param name="name" select="'Problem'"/><xsl:with-param name="value" select="."/></xsl:call-template></xsl:for-each>
        </dl>
        <xsl:apply-templates select="d:attributes"/>
      </div>
    </details>
  </xsl:template>

  <xsl:template match="d:attributes">
    <div class="scroll"><table class="cards">
      <caption class="hidden">Attributes of <xsl:value-of select="../@name"/></caption>
      <thead><tr><th scope="col">Status</th><th scope="col">Attribute</th><th scope="col">Value</th><th scope="col">Thresholds</th><th scope="col">Since</th></tr></thead>
      <tbody>
        <xsl:for-each select="d:attribute">
          <tr>
            <td><xsl:call-template name="state"><xsl:with-param name="colour" select="@status"/><xsl:with-param name="word" select="@word"/></xsl:call-template></td>
            <td class="wide"><xsl:value-of select="@name"/></td>
            <td>
              <xsl:choose><xsl:when test="@shown"><xsl:value-of select="@shown"/></xsl:when><xsl:otherwise><xsl:value-of select="@value"/></xsl:otherwise></xsl:choose>
              <xsl:if test="d:reason"><span class="soft"><xsl:text> </xsl:text><xsl:value-of select="d:reason"/></span></xsl:if>
            </td>
            <td class="wide soft">
              <xsl:if test="d:thresholds/@yellow"><span class="level">yellow <xsl:value-of select="d:thresholds/@yellow"/><xsl:text> </xsl:text></span></xsl:if>
              <xsl:if test="d:thresholds/@red"><span class="level">red <xsl:value-of select="d:thresholds/@red"/><xsl:text> </xsl:text></span></xsl:if>
            </td>
            <td class="when"><xsl:call-template name="moment"><xsl:with-param name="t" select="@since"/></xsl:call-template></td>
          </tr>
        </xsl:for-each>
      </tbody>
    </table></div>
  </xsl:template>

  <xsl:template match="d:customers">
    <h3>Customers<span class="number"><xsl:value-of select="count(d:customer)"/></span></h3>
    <div class="scroll"><table class="cards">
      <thead><tr><th scope="col">Status</th><th scope="col">Customer</th><th scope="col">Hosts, devices and services</th></tr></thead>
      <tbody>
        <xsl:for-each select="d:customer">
          <tr>
            <td><xsl:call-template name="state"><xsl:with-param name="colour" select="@status"/><xsl:with-param name="word" select="@word"/></xsl:call-template></td>
            <td><xsl:value-of select="@name"/></td>
            <td><xsl:call-template name="counts"><xsl:with-param name="of" select="."/></xsl:call-template></td>
          </tr>
        </xsl:for-each>
      </tbody>
    </table></div>
  </xsl:template>
</xsl:stylesheet>
